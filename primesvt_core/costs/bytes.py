"""Parameter memory: bytes of parameters and BatchNorm buffers that the forward pass uses."""

from __future__ import annotations

from primesvt_core.costs._base import Cost, Count, Network, Terms, added, elements, polynomial, scaled


def terms_of(network: Network) -> Terms:
    """Parameter memory in bytes as a polynomial in the channels removed from each part of each group."""
    used = (
        scaled(terms, network.shapes[name].itemsize)
        for name, terms in elements(network).items()
        if name not in network.unused
    )
    return added(*used)


def of(network: Network) -> Count:
    """Parameter memory in bytes, as `primesvt_core.pruning.groups.memory_bytes` counts it on the pruned shapes."""
    return polynomial(terms_of(network), network.groups)


COST = Cost(of=of)
