"""Curves of finished runs: which fit a model, and with which point tests of another budget begin."""

from __future__ import annotations

import pytest

from primesvt_core.errors import NotRetargetable
from primesvt_core.method.confirmation import confirm_of_finished
from primesvt_core.method.finished_curve import FinishedCurve, check_finished, check_same_inputs, check_sizes, likely
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.types import CurvePoint, Rates

NATS = (0.001, 0.01, 0.05, 0.1)


def point(place: int, nats: float | None) -> CurvePoint:
    saving = (place + 1) / 10
    return CurvePoint(
        rates={"g": saving}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=round(1000 * (1 - saving)),
        memory_saving=saving, divergence=nats,
    )  # fmt: skip


CURVE = FinishedCurve(
    name="runs/a", points=tuple(point(i, nats) for i, nats in enumerate(NATS)), images=256, first_budget=0.03
)


def memory(rates: Rates) -> int:
    return round(1000 * (1 - rates["g"]))


def test_a_curve_of_another_model_is_refused() -> None:
    check_sizes(CURVE, memory)
    for other in (lambda rates: memory(rates) + 1, lambda rates: int(rates["h"])):
        with pytest.raises(NotRetargetable, match="runs/a is of another model"):
            check_sizes(CURVE, other)


def test_points_that_were_found_by_accuracy_are_refused() -> None:
    check_finished("runs/a", CURVE.points)
    with pytest.raises(NotRetargetable, match="goes by accuracy"):
        check_finished("runs/a", (*CURVE.points, point(5, None)))
    with pytest.raises(NotRetargetable, match="no smaller model"):
        check_finished("runs/a", ())


def test_inputs_that_differ_are_named() -> None:
    check_same_inputs("runs/a", ())
    with pytest.raises(NotRetargetable, match="had another data set, seed:"):
        check_same_inputs("runs/a", ("data set", "seed"))


def test_tests_begin_deeper_the_more_is_allowed() -> None:
    begun = [likely(CURVE, drop, confidence=0.95, samples=4000) for drop in (0.0001, 0.007, 0.02, 0.05, 0.5)]
    assert begun == sorted(begun)
    assert (begun[0], begun[-1]) == (0, 3)


@pytest.mark.parametrize("drop", [0.01, 0.03, 0.06])
def test_whatever_is_begun_with_what_is_confirmed_is_within_its_joint_bound(drop: float) -> None:
    lost = dict(zip((p.memory_saving for p in CURVE.points), (2, 20, 60, 180), strict=True))

    def judge(candidate: CurvePoint, samples: int) -> Paired:
        assert samples == 4000
        return Paired(samples=samples, lost=lost[candidate.memory_saving], won=0)

    trials = confirm_of_finished(CURVE, judge, drop, 0.95, samples=4000)
    bounds = {saving: drop_upper_bound(Paired(samples=4000, lost=n, won=0), 1 - 0.05 / 4) for saving, n in lost.items()}
    assert {t.candidate.memory_saving: t.upper_bound for t in trials}.items() <= bounds.items()
    deepest = max(saving for saving, bound in bounds.items() if bound <= drop)
    assert max(t.candidate.memory_saving for t in trials if t.confirmed) == deepest
