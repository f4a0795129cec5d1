"""Computing: dense multiply-accumulates of one image over all time steps, zeros counted.

A layer has as many as its weight has elements, at every position of its output and time step; attention has those of
its products beside. Sums, BatchNorms, neurons and poolings count nothing.
"""

from __future__ import annotations

from primesvt_core.costs._base import Cost, Count, Network, Terms, added, elements, multiplied, polynomial, scaled
from primesvt_core.types import ChannelGroup, Product


def of(network: Network) -> Count:
    """Multiply-accumulates of one image.

    Raises:
        ValueError: if the heads of a product do not divide the parts of its group.
    """
    groups = {group.name: group for group in network.groups}
    sizes = elements(network)
    layers = (scaled(sizes[name], positions) for name, positions in network.geometry.positions.items())
    products = (_terms(product, groups) for product in network.geometry.products)
    return polynomial(added(*layers, *products), network.groups)


def _terms(product: Product, groups: dict[str, ChannelGroup]) -> Terms:
    terms: Terms = {(): product.times}
    for place, name in enumerate(product.groups):
        group, heads = groups[name], 1 if place else product.heads
        if group.size % heads or group.parts % heads:
            raise ValueError(f"{heads} heads do not divide {group.parts} parts of {group.size} channels of {name}")
        terms = multiplied(terms, {(): group.size // heads, (name,): -(group.parts // heads)})
    return terms


COST = Cost(of=of)
