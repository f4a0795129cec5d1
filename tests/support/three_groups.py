"""A model of three channel groups that is arithmetic alone, for tests of profile and search."""

from __future__ import annotations

from collections.abc import Sequence

from primesvt_core.method.search import Limit, Search, goal, run_rounds
from primesvt_core.policies.prioritized import POLICY
from primesvt_core.spec import Budget
from primesvt_core.types import FLOAT_SLACK, CurvePoint, Outcome, Rates

SIZES = {"big": 500, "small": 300, "stream": 200}
RATES = (0.25, 0.5, 0.75)
START = CurvePoint(rates={}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=1000, memory_saving=0.0)


def memory(rates: Rates) -> int:
    return round(1000 - sum(SIZES[name] * rate for name, rate in rates.items()))


def macs(rates: Rates) -> int:
    """Ten for every byte, but none of the stream's."""
    return round(8000 - 10 * sum(SIZES[name] * rate for name, rate in rates.items() if name != "stream"))


def stored_bytes(rates: Rates) -> int:
    """A quarter of the memory; the original is stored as it is."""
    return memory(rates) // 4 if rates else memory(rates)


class Model:
    """Loses ``cost`` points of accuracy for a whole group, in proportion; counts the evaluations."""

    def __init__(self, **cost: float) -> None:
        self.cost, self.evaluations = cost, 0

    def evaluate(self, rates: Rates) -> Outcome:
        self.evaluations += 1
        size = memory(rates)
        lost = sum(self.cost[name] * rate for name, rate in rates.items())
        return Outcome(accuracy=0.9 - lost, parameter_bytes=size, memory_saving=1 - size / 1000)

    def is_within(self, rates: Rates, allowed_drop: float) -> bool:
        return START.accuracy - self.evaluate(rates).accuracy <= allowed_drop + FLOAT_SLACK

    def search(self, budget: Budget, *, recovers: bool = False, limits: Sequence[Limit] = ()) -> Search:
        wanted = goal(budget, baseline_accuracy=0.9, parameter_bytes=1000, limits=limits)
        rates = dict.fromkeys(SIZES, RATES)
        policy = POLICY.with_params({})
        return run_rounds(
            wanted, rates, START, memory, macs, self.is_within, policy, self.evaluate,
            recovers=recovers, known=lambda _rates, _drop: None,
        )  # fmt: skip
