"""Peak memory of computing one image: parameters, and the most that is alive beside them at any moment.

Two schedules: ``layerwise`` computes all time steps of a layer, then those of the next, as torch and an ONNX file do;
``stepwise`` computes one time step through the network, then the next, as a microcontroller does, and keeps every
neuron's membrane meanwhile. What is alive when is recorded once, without values (`primesvt_core.intake.lifetimes`); at
whatever widths it follows from the channels that every group keeps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Literal

from primesvt_core.costs import bytes
from primesvt_core.costs._base import Count, Network, Sizes, polynomial
from primesvt_core.types import ChannelGroup

Schedule = Literal["layerwise", "stepwise"]
SCHEDULES: tuple[Schedule, ...] = ("layerwise", "stepwise")

PROBES = 3
"""Networks of other widths that are looked at to find on which widths a tensor depends."""

PROBED_RUNS = range(24, 1000)
"""Channels of a part of a group in such a network: of so many that no two products of them are likely to be alike."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is alive at once.

    Attributes:
        tensors: of the record's; the image, which is alive all the time, is one of them.
        membranes: likewise, of the neurons whose membranes are needed.
    """

    tensors: frozenset[int]
    membranes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """What is alive when while one network computes one image by one schedule; no parameters.

    Attributes:
        sizes: bytes of every tensor.
        moments: whenever something more is alive than before.
    """

    sizes: tuple[int, ...]
    moments: tuple[Moment, ...]

    @property
    def peak(self) -> int:
        """Bytes at the worst moment."""
        return max(sum(self.sizes[one] for one in (*moment.tensors, *moment.membranes)) for moment in self.moments)


@dataclass(frozen=True, kw_only=True)
class InferenceBytes:
    """Peak memory of computing one image, parameters included, by schedule."""

    layerwise: int
    stepwise: int

    @property
    def least(self) -> int:
        """That of the better schedule."""
        return min(self.layerwise, self.stepwise)

    @property
    def better(self) -> Schedule:
        """The schedule that needs less; of equals ``layerwise``, which needs no runtime of its own."""
        return "layerwise" if self.layerwise <= self.stepwise else "stepwise"


@dataclass(frozen=True, kw_only=True)
class InferenceCost:
    """Peak memory of one network by schedule, at any channels left."""

    layerwise: Count
    stepwise: Count

    def at(self, sizes: Sizes) -> InferenceBytes:
        """With so many channels left."""
        return InferenceBytes(layerwise=self.layerwise(sizes), stepwise=self.stepwise(sizes))


Record = Callable[[Mapping[str, int], Schedule], Lifetimes]
"""What is alive when in a network whose groups have these sizes, whatever they are."""

Kept = Mapping[tuple[str, ...], Fraction]
"""Bytes as a polynomial: coefficients, none below 0, by the groups whose kept channels are multiplied."""


def of(network: Network, record: Record) -> InferenceCost:
    """Peak memory of a network at any channels left.

    Args:
        network: unpruned.
        record: of the same network at other widths.

    Raises:
        ValueError: if a tensor's size follows from no widths of the network.
    """
    probes = _probes(network.groups)
    parameters = polynomial(bytes.terms_of(network), network.groups)
    whole = {group.name: group.size for group in network.groups}
    counts = [
        _peak(_worst(probes, [record(sizes, schedule) for sizes in probes], _extents(network)), whole, parameters)
        for schedule in SCHEDULES
    ]
    return InferenceCost(layerwise=counts[0], stepwise=counts[1])


def _probes(groups: Sequence[ChannelGroup]) -> list[dict[str, int]]:
    """Sizes of every group, such that no two groups' have the same ratios from probe to probe."""
    chance = random.Random(0)  # noqa: S311  # nothing secret
    drawn = ((group, chance.sample(PROBED_RUNS, PROBES)) for group in groups)
    by_group = {group.name: [group.parts * run for run in runs] for group, runs in drawn}
    return [{name: runs[probe] for name, runs in by_group.items()} for probe in range(PROBES)]


def _extents(network: Network) -> list[Kept]:
    """Extents of tensors to which several groups belong, or a group and channels that are never pruned."""
    removed: dict[tuple[str, int], dict[str, int]] = {}
    for group in network.groups:
        for piece in group.slices:
            extent = removed.setdefault((piece.tensor, piece.dim), {})
            extent[group.name] = extent.get(group.name, 0) + (0 if piece.shared else 1)
    sizes = {group.name: group.size for group in network.groups}
    found: list[Kept] = []
    for (tensor, dim), times in removed.items():
        rest = network.shapes[tensor].shape[dim] - sum(sizes[name] * count for name, count in times.items())
        if (rest > 0 or len(times) > 1 or max(times.values()) > 1) and rest >= 0:
            terms: dict[tuple[str, ...], Fraction] = {(name,): Fraction(count) for name, count in times.items()}
            if rest:
                terms[()] = Fraction(rest)
            if terms not in found:
                found.append(terms)
    return found


def _worst(probes: Sequence[Mapping[str, int]], records: Sequence[Lifetimes], extents: Iterable[Kept]) -> list[Kept]:
    """The moments of which each may be the worst at some widths."""
    first = records[0]
    if any(other.moments != first.moments for other in records):
        raise ValueError("what is alive when depends on the widths of the network")
    forms: dict[tuple[Fraction, ...], tuple[Kept, int]] = {}
    for form, values in _forms(probes, extents):
        forms.setdefault(_ratios(values), (form, values[0]))  # the simplest that explains it
    tensors = [_found(found, forms) for found in zip(*(record.sizes for record in records), strict=True)]
    distinct = {(moment.tensors, moment.membranes): moment for moment in first.moments}
    return _undominated(_sum(tensors[one] for one in (*m.tensors, *m.membranes)) for m in distinct.values())


def _forms(probes: Sequence[Mapping[str, int]], extents: Iterable[Kept]) -> Iterator[tuple[Kept, list[int]]]:
    """What a tensor's size may be proportional to, with its values in the probes, the simplest first."""
    names = [*probes[0]]
    yield {(): Fraction(1)}, [1] * len(probes)
    for name in names:
        yield {(name,): Fraction(1)}, [sizes[name] for sizes in probes]
    for extent in extents:
        yield extent, [int(_value(extent, sizes)) for sizes in probes]
    for pair in combinations_with_replacement(names, 2):
        yield {tuple(sorted(pair)): Fraction(1)}, [sizes[pair[0]] * sizes[pair[1]] for sizes in probes]


def _ratios(values: Sequence[int]) -> tuple[Fraction, ...]:
    """From probe to probe."""
    return tuple(Fraction(value, values[0]) for value in values[1:])


def _found(sizes: Sequence[int], forms: Mapping[tuple[Fraction, ...], tuple[Kept, int]]) -> Kept:
    if not any(sizes):
        return {}
    known = forms.get(_ratios(sizes)) if sizes[0] else None
    if known is None:
        raise ValueError("a tensor's size follows from no widths of the network")
    form, value = known
    return {names: factor * Fraction(sizes[0], value) for names, factor in form.items()}


def _sum(every: Iterable[Kept]) -> Kept:
    total: dict[tuple[str, ...], Fraction] = {}
    for terms in every:
        for names, factor in terms.items():
            total[names] = total.get(names, Fraction(0)) + factor
    return total


def _undominated(every: Iterable[Kept]) -> list[Kept]:
    """Those that no other exceeds in every coefficient: sizes are not negative, so that others are never the worst."""
    front: list[Kept] = []
    for terms in every:
        if not any(_exceeds(other, terms) for other in front):
            front = [*(other for other in front if not _exceeds(terms, other)), terms]
    return front


def _exceeds(terms: Kept, other: Kept) -> bool:
    return all(terms.get(names, Fraction(0)) >= factor for names, factor in other.items())


def _value(terms: Kept, sizes: Sizes) -> Fraction:
    return sum((factor * math.prod(sizes[name] for name in names) for names, factor in terms.items()), Fraction(0))


def _peak(moments: Sequence[Kept], whole: Sizes, parameters: Count) -> Count:
    common = math.lcm(*(factor.denominator for terms in moments for factor in terms.values()))
    scaled = [[(names, int(factor * common)) for names, factor in terms.items()] for terms in moments]

    def count(sizes: Sizes) -> int:
        left = {**whole, **sizes}
        worst = max(
            sum(factor * math.prod(left[name] for name in names) for names, factor in terms) for terms in scaled
        )
        return parameters(sizes) + worst // common

    return count
