"""From findings to a verdict, a curve and notes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from primesvt_core.method.confirmation import Trial
from primesvt_core.method.result import Findings
from primesvt_core.method.search import Goal, Search
from primesvt_core.promise.bounds import Paired
from primesvt_core.report.compose import _curve, _notes
from primesvt_core.spec import parse
from primesvt_core.types import CurvePoint, ProfileCell, Verdict

SIZE = 1000


def point(saving: float, **rates: float) -> CurvePoint:
    return CurvePoint(
        rates=rates, accuracy=0.9, accuracy_drop=saving / 10, parameter_bytes=round(SIZE * (1 - saving)),
        memory_saving=saving, group=next(iter(rates), None),
    )  # fmt: skip


START, GENTLE, DEEP = point(0.0), point(0.2, g=0.4), point(0.4, g=0.8)


def trial(candidate: CurvePoint, *, held: bool) -> Trial:
    return Trial(candidate=candidate, pair=Paired(samples=100, lost=2, won=1), upper_bound=0.02, held=held)


def findings(
    target: int | None, trials: tuple[Trial, ...], *, drop: float | None = 0.03, cost: float = 0.01
) -> Findings:
    cell = ProfileCell(group="g", rate=0.4, kept=6, accuracy=0.9, accuracy_drop=cost, memory_saving=0.2)
    return Findings(
        goal=Goal(allowed_drop=drop, target_bytes=target), start=START, layers=(), groups=(), cells=(cell,),
        found=Search(curve=(START, GENTLE, DEEP), best=DEEP, fallbacks=(GENTLE,), reached=True), trials=trials,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "verdict", "delivered"),
    [
        (findings(600, (trial(DEEP, held=True),)), Verdict.MET, DEEP),
        (findings(None, (trial(DEEP, held=True),)), Verdict.MET, DEEP),
        (findings(600, (trial(DEEP, held=True),), drop=None), Verdict.MET, DEEP),
        (findings(SIZE, (trial(START, held=True),)), Verdict.MET, START),
        (findings(600, (trial(DEEP, held=False), trial(GENTLE, held=True))), Verdict.ACCURACY_FLOOR_REACHED, GENTLE),
        (findings(None, (trial(DEEP, held=False), trial(GENTLE, held=True))), Verdict.MET, GENTLE),
        (findings(600, (trial(DEEP, held=False), trial(GENTLE, held=False))), Verdict.ACCURACY_FLOOR_REACHED, START),
        (findings(None, (trial(START, held=True),)), Verdict.ACCURACY_FLOOR_REACHED, START),
        (findings(600, (trial(START, held=True),), cost=0.5), Verdict.NOTHING_PRUNABLE, START),
    ],
)
def test_the_verdict_is_about_what_is_delivered(found: Findings, verdict: Verdict, delivered: CurvePoint) -> None:
    assert found.verdict is verdict
    assert found.point == delivered


def test_the_curve_has_every_step_once_and_what_the_test_said() -> None:
    other = point(0.3, h=0.5)
    found = _curve(findings(600, (trial(DEEP, held=False), trial(other, held=True))))
    assert [step.memory_saving for step in found] == [0.0, 0.2, 0.3, 0.4]
    assert [step.confirmed for step in found] == [None, None, True, False]
    assert [step.confirmed_drop for step in found] == [None, None, 0.01, 0.01]


def candidates(classes: tuple[str, ...], **spec: Any) -> Any:
    """As much of them as notes are made from."""
    asked = parse({"budget": {"max_accuracy_drop": 0.03}, **spec})
    images = SimpleNamespace(data=SimpleNamespace(name="set.tar", classes=classes))
    return SimpleNamespace(spec=asked, images=images, config=SimpleNamespace(num_classes=3), learns_from_search=True)


def test_notes_say_what_a_reader_could_not_guess() -> None:
    fine = findings(600, (trial(DEEP, held=True),))
    assert _notes(candidates(("a", "b", "c")), fine) == ()
    assert _notes(candidates(("0", "1")), fine) == ()
    [order] = _notes(candidates(("a", "b")), fine)
    assert "set.tar has 2 classes, but the model tells 3 apart" in order
    [original] = _notes(candidates(("a", "b", "c")), findings(600, (trial(DEEP, held=False),)))
    assert "the model is the original" in original
    [learned] = _notes(candidates(("a", "b", "c"), fine_tuning={"epochs": 1}), fine)
    assert "fine-tuned on the search split" in learned
