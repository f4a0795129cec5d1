"""What a cost is: an integer that follows from the channels that every group keeps.

Every extent of a pruned tensor is linear in the channels removed, so that a cost is a polynomial in them: it is put
together once for a network, and then costs microseconds at whatever rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from primesvt_core.types import ChannelGroup, Geometry, Shapes

Sizes = Mapping[str, int]
"""Channels left, by group; a group that is absent keeps all of them."""

Count = Callable[[Sizes], int]
"""A cost of one network. Sizes are multiples of the parts of their groups."""

Terms = Mapping[tuple[str, ...], int]
"""A polynomial: coefficients by the sorted names of the variables that are multiplied, a name twice for its square."""


NOWHERE = Geometry(positions={})


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a cost is told of an unpruned network: no values.

    Attributes:
        shapes: of its state dict.
        groups: all its channel groups.
        geometry: where it computes, which memory does not depend on.
        unused: tensors that the forward pass never reads.
    """

    shapes: Shapes
    groups: tuple[ChannelGroup, ...]
    geometry: Geometry = NOWHERE
    unused: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One cost.

    Attributes:
        of: how to count it for any channels left of a network.
    """

    of: Callable[[Network], Count]


def polynomial(terms: Terms, groups: Iterable[ChannelGroup]) -> Count:
    """The value of a polynomial in the channels removed from each part of each group."""
    whole = {group.name: (group.size, group.parts) for group in groups}
    constant = terms.get((), 0)
    others = [(names, factor) for names, factor in terms.items() if names and factor]

    def count(sizes: Sizes) -> int:
        removed = {name: (whole[name][0] - size) // whole[name][1] for name, size in sizes.items()}
        return constant + sum(factor * math.prod(removed.get(name, 0) for name in names) for names, factor in others)

    return count


def added(*polynomials: Terms) -> Terms:
    """The sum of polynomials."""
    total: dict[tuple[str, ...], int] = {}
    for terms in polynomials:
        for names, factor in terms.items():
            total[names] = total.get(names, 0) + factor
    return total


def multiplied(first: Terms, second: Terms) -> Terms:
    """The product of two polynomials."""
    total: dict[tuple[str, ...], int] = {}
    for names, factor in first.items():
        for others, other in second.items():
            key = tuple(sorted((*names, *others)))
            total[key] = total.get(key, 0) + factor * other
    return total


def scaled(terms: Terms, factor: int) -> Terms:
    """A polynomial times a number."""
    return {names: factor * one for names, one in terms.items()}


def elements(network: Network) -> dict[str, Terms]:
    """How many elements every tensor of the state dict has, as polynomials."""
    return {name: _product(dims) for name, dims in extents(network).items()}


def extents(network: Network) -> dict[str, list[dict[tuple[str, ...], int]]]:
    """How far every tensor of the state dict extends in each of its dimensions, as polynomials."""
    found: dict[str, list[dict[tuple[str, ...], int]]] = {
        name: [{(): extent} for extent in spec.shape] for name, spec in network.shapes.items()
    }
    for group in network.groups:
        for piece in group.slices:
            extent = found[piece.tensor][piece.dim]
            extent[(group.name,)] = extent.get((group.name,), 0) - (1 if piece.shared else group.parts)
    return found


def _product(factors: Iterable[Terms]) -> Terms:
    total: Terms = {(): 1}
    for factor in factors:
        total = multiplied(total, factor)
    return total
