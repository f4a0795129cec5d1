"""Allocation: for every target the rates whose divergences add up to the least, by exact costs.

Divergences of groups that are repaired nearly add up, costs do not: what a channel of one block costs depends on the
residual stream that it reads. So the rates of the streams are gone through, and for each the local groups are a
knapsack, which a price of a byte solves: every group takes the rate at which what it loses, less what it saves at that
price, is least. The price is bisected until the target is met. Where other costs are limited, a channel is priced by
what it saves of them as well: the better of both ways is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice

from pydantic import Field

from primesvt_core.policies._base import CurvePolicy, CurveProblem, PolicyParams
from primesvt_core.policies._sensitivity import Sensitivities, sensitivities
from primesvt_core.types import Rates

HALVINGS = 40
"""Of the interval of prices: afterwards both ends give the same rates."""

NEARLY = 0.02
"""Share of the memory by which what groups save alone may miss what they save together."""

ROUNDS = 2
"""Over the streams of a network that has several, each tried with the others as they are."""


class Params(PolicyParams):
    """Parameters of the allocation."""

    deepest_shared_rate: float = Field(
        default=0.5,
        ge=0.0,
        lt=1.0,
        description="Deepest rate of a residual stream, which all blocks share, while a target is in reach with it.",
    )


@dataclass(frozen=True)
class Allocated:
    """Rates for one target, and the sum of their divergences."""

    rates: Rates
    divergence: float


@dataclass(frozen=True)
class Knapsack:
    """The local groups, with the streams at given rates.

    Attributes:
        problem: of which.
        lost: divergence of every group by its rates.
        streams: their rates.
        limited: costs beside memory that are priced, too.
    """

    problem: CurveProblem
    lost: Sensitivities
    streams: Rates
    limited: tuple[Callable[[Rates], float], ...] = ()

    @cached_property
    def begun(self) -> int:
        """Bytes with the streams pruned alone."""
        return self.problem.memory(self.streams)

    @cached_property
    def saved(self) -> Mapping[str, Mapping[float, int]]:
        """Bytes that every local group saves by its rates, the others left whole."""
        return {
            group: {rate: self.begun - self.problem.memory({**self.streams, group: rate}) for rate in by_rate}
            for group, by_rate in self.lost.items()
            if group not in self.problem.shared
        }

    @cached_property
    def priced(self) -> Mapping[str, Mapping[float, float]]:
        """The same with what they save of the limited costs, a share of one of which counts as that of the memory."""
        if not self.limited:
            return self.saved
        whole = self.problem.memory({})
        scales = [(cost, cost(self.streams), whole / max(cost({}), 1.0)) for cost in self.limited]

        def others(group: str, rate: float) -> float:
            rates = {**self.streams, group: rate}
            return sum(scale * (begun - cost(rates)) for cost, begun, scale in scales)

        return {
            group: {rate: byte + others(group, rate) for rate, byte in saved.items()}
            for group, saved in self.saved.items()
        }

    def at_price(self, price: float) -> Rates:
        """What every group takes if a byte is worth ``price`` nats; of equals the gentler."""
        rates = dict(self.streams)
        for group, saved in self.priced.items():
            worth = {rate: price * saved[rate] - self.lost[group][rate] for rate in saved}
            best = max(worth, key=lambda rate: (worth[rate], -rate), default=None)
            if best is not None and worth[best] > 0.0:
                rates[group] = best
        return rates

    def reaching(self, target: int) -> Allocated | None:
        """Rates that reach the target and keep the other limits; None: not even the deepest do.

        Those of the lowest price that does; or, where these save much more than is asked for, of the highest price
        that does not, with one group deeper.
        """
        low, high = 0.0, self._highest
        below, best = self.at_price(low), self.at_price(high)
        if not self._reaches(best, target):
            return None
        if self._reaches(below, target):
            return self._allocated(below)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rates = self.at_price(middle)
            if self._reaches(rates, target):
                high, best = middle, rates
            else:
                low, below = middle, rates
        candidates = [self._allocated(best), *self._completed(below, target)]
        return min(candidates, key=lambda found: found.divergence)

    def _completed(self, rates: Rates, target: int) -> Iterator[Allocated]:
        """The rates with that group deeper of those that reach the target which loses least; nothing if none does."""
        lost = {group: self.lost[group].get(rates.get(group, 0.0), 0.0) for group in self.saved}
        deeper = [
            (self.lost[group][rate] - lost[group], rate, group)
            for group, saved in self.saved.items()
            for rate in saved
            if rate > rates.get(group, 0.0)
        ]
        tried = ({**rates, group: rate} for _, rate, group in sorted(deeper))
        yield from (self._allocated(changed) for changed in islice(filter(partial(self._is_at, target), tried), 1))

    def _is_at(self, target: int, rates: Rates) -> bool:
        """Whether rates reach the target; by what groups save alone first, which costs nothing and nearly adds up."""
        alone = sum(saved[rates[group]] for group, saved in self.saved.items() if group in rates)
        return self.begun - alone <= target + NEARLY * self.begun and self._reaches(rates, target)

    def _allocated(self, rates: Rates) -> Allocated:
        return Allocated(rates, sum(self.lost[group][rate] for group, rate in rates.items()))

    @cached_property
    def _highest(self) -> float:
        """A price at which every group takes its deepest rate."""
        prices = [0.0]
        for group, saved in self.priced.items():
            most, lost = max(saved.values(), default=0), max(self.lost[group].values(), default=0.0)
            prices += [lost / max(1, most - less) for less in (0, *saved.values())]
        return 2 * max(prices) + 1e-12

    def _reaches(self, rates: Rates, target: int) -> bool:
        return self.problem.memory(rates) <= target and self.problem.is_allowed(rates)


class Streams:
    """The streams' rates for one target after another, each search beginning with what the last one found."""

    def __init__(self, problem: CurveProblem, lost: Sensitivities, deepest: float) -> None:
        self.problem, self.lost = problem, lost
        self.rates: Rates = {}
        shared = [group for group in problem.steps if group in problem.shared]
        self.usual = {group: (0.0, *(rate for rate in lost[group] if rate <= deepest)) for group in shared}
        self.deeper = {group: (0.0, *lost[group]) for group in shared}
        self._knapsacks: dict[tuple[tuple[str, float], ...], tuple[Knapsack, ...]] = {}

    def reaching(self, target: int) -> Allocated | None:
        """The best rates for a target: with streams no deeper than they may be, unless it is out of reach with them."""
        return self._best(target, self.usual) or self._best(target, self.deeper)

    def _best(self, target: int, tried: Mapping[str, tuple[float, ...]]) -> Allocated | None:
        best = self._filled(self.rates, target)
        for _ in range(min(ROUNDS, len(tried))):
            for group, rates in tried.items():
                others = {name: rate for name, rate in self.rates.items() if name != group}
                for streams in [{**others, group: rate} if rate else others for rate in rates]:
                    found = self._filled(streams, target)
                    if found and (best is None or found.divergence < best.divergence):
                        best, self.rates = found, streams
        return best

    def _filled(self, streams: Rates, target: int) -> Allocated | None:
        found = [filled for knapsack in self._of(streams) if (filled := knapsack.reaching(target))]
        return min(found, key=lambda one: one.divergence, default=None)

    def _of(self, streams: Rates) -> tuple[Knapsack, ...]:
        key = tuple(sorted(streams.items()))
        if key not in self._knapsacks:
            ways = {(), self.problem.limited}  # what is priced beside memory
            self._knapsacks[key] = tuple(
                Knapsack(self.problem, self.lost, streams, limited) for limited in sorted(ways, key=len)
            )
        return self._knapsacks[key]


def curve(problem: CurveProblem, params: Params) -> tuple[Rates, ...]:
    """For every target the candidate of the least sum of divergences."""
    streams = Streams(problem, sensitivities(problem), params.deepest_shared_rate)
    found = (streams.reaching(target) for target in problem.targets)
    return tuple(allocated.rates for allocated in found if allocated)


POLICY = CurvePolicy(curve=curve, params=Params)
