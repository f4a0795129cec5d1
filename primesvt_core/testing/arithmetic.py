"""A model that is four lines of arithmetic, for tests of what decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primesvt_core.types import CurvePoint, Outcome, Rates

ACCURACY = 0.9


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """Groups named ``g0``, ``g1`` ..., in the order of ``sizes``.

    Attributes:
        sizes: bytes of each group.
        costs: accuracy lost with a whole group, in proportion to the rate.
        interplay: accuracy lost besides, in proportion to the square of all rates together.
    """

    sizes: Sequence[int]
    costs: Sequence[float]
    interplay: float

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"g{number}" for number in range(len(self.sizes)))

    @property
    def total(self) -> int:
        return 1000 * sum(self.sizes)

    def memory(self, rates: Rates) -> int:
        return sum(
            round(1000 * size * (1 - rates.get(g, 0.0))) for g, size in zip(self.groups, self.sizes, strict=True)
        )

    def macs(self, rates: Rates) -> int:
        """Multiply-accumulates: the group with the fewest bytes has the most."""
        shares = zip(self.groups, reversed(self.sizes), strict=True)
        return sum(round(1000 * size * (1 - rates.get(group, 0.0))) for group, size in shares)

    def evaluate(self, rates: Rates) -> Outcome:
        lost = sum(self.costs[self.groups.index(group)] * rate for group, rate in rates.items())
        size = self.memory(rates)
        accuracy = ACCURACY - lost - self.interplay * sum(rates.values()) ** 2 / len(self.sizes) ** 2
        return Outcome(accuracy=accuracy, parameter_bytes=size, memory_saving=1 - size / self.total)

    def drop(self, rates: Rates) -> float:
        return self.start().accuracy - self.evaluate(rates).accuracy

    def start(self) -> CurvePoint:
        return CurvePoint(rates={}, accuracy=ACCURACY, accuracy_drop=0.0, parameter_bytes=self.total, memory_saving=0.0)
