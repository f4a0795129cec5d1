"""From a run's result to a verdict, a curve and notes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from primesvt_core.costs.inference import InferenceBytes
from primesvt_core.method.confirmation import Trial
from primesvt_core.method.limits import chosen_groups
from primesvt_core.method.result import RunResult
from primesvt_core.method.search import Goal, Limit, Search
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.promise.score import score_upper_bound
from primesvt_core.report.build import _confirmation, _curve, _notes
from primesvt_core.report.limit_notes import limit_notes
from primesvt_core.spec import parse
from primesvt_core.types import ChannelGroup, CurvePoint, Plan, ProfileCell, Verdict

SIZE = 1000


def point(saving: float, **rates: float) -> CurvePoint:
    return CurvePoint(
        rates=rates, accuracy=0.9, accuracy_drop=saving / 10, parameter_bytes=round(SIZE * (1 - saving)),
        memory_saving=saving, group=next(iter(rates), None),
    )  # fmt: skip


def named(name: str, size: int) -> ChannelGroup:
    return ChannelGroup(name=name, size=size, width=name, slices=(), producers=(), silencers=(), consumers=())


WHOLE, LARGE = named("whole", 8), named("large", 64)
START, GENTLE, DEEP = point(0.0), point(0.2, g=0.4), point(0.4, g=0.8)


def trial(candidate: CurvePoint, *, confirmed: bool, lost: int = 2) -> Trial:
    pair = Paired(samples=100, lost=lost, won=1)
    return Trial(candidate=candidate, pair=pair, upper_bound=0.08, confirmed=confirmed, confidence=0.95)


LIMIT = Limit(
    name="synaptic_operations", unit="synaptic operations", most=700,
    cost=lambda rates: 1000 * (1 - sum(rates.values())), measure=lambda _: 0.0,
)  # fmt: skip


def run_result(
    target: int | None,
    trials: tuple[Trial, ...],
    *,
    drop: float | None = 0.03,
    cost: float = 0.01,
    reached: bool = True,
    unproven: Trial | None = None,
    max_macs: int | None = None,
    measured: float | None = None,
) -> RunResult:
    cell = ProfileCell(
        group="g", rate=0.4, kept=6, accuracy=0.9, accuracy_drop=cost, memory_saving=0.2, samples=10, is_bound=False
    )
    return RunResult(
        goal=Goal(
            allowed_drop=drop, target_bytes=target, max_macs=max_macs, limits=() if measured is None else (LIMIT,)
        ),
        measured={} if measured is None else {"synaptic_operations": measured}, start=START, layers=(), groups=(),
        cells=(cell,),
        search=Search(curve=(START, GENTLE, DEEP), best=DEEP, fallbacks=(GENTLE,), reached=reached), trials=trials,
        macs=lambda rates: round(5000 * (1 - sum(rates.values()))),
        unproven=unproven,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "verdict", "exported"),
    [
        (run_result(600, (trial(DEEP, confirmed=True),)), Verdict.MET, DEEP),
        (run_result(None, (trial(DEEP, confirmed=True),)), Verdict.MET, DEEP),
        (run_result(600, (trial(DEEP, confirmed=True),), drop=None), Verdict.MET, DEEP),
        (run_result(SIZE, (trial(START, confirmed=True),)), Verdict.MET, START),
        (
            run_result(600, (trial(DEEP, confirmed=False, lost=9), trial(GENTLE, confirmed=True))),
            Verdict.ACCURACY_FLOOR_REACHED,
            GENTLE,
        ),
        (
            run_result(600, (trial(DEEP, confirmed=False), trial(GENTLE, confirmed=True))),
            Verdict.NOT_PROVEN,
            GENTLE,
        ),
        (run_result(None, (trial(DEEP, confirmed=False), trial(GENTLE, confirmed=True))), Verdict.MET, GENTLE),
        (
            run_result(600, (trial(DEEP, confirmed=False, lost=9), trial(GENTLE, confirmed=False))),
            Verdict.ACCURACY_FLOOR_REACHED,
            START,
        ),
        (run_result(600, (trial(DEEP, confirmed=False),)), Verdict.NOT_PROVEN, START),
        (run_result(None, (trial(GENTLE, confirmed=False),)), Verdict.NOT_PROVEN, START),
        (run_result(None, (trial(GENTLE, confirmed=False, lost=9),)), Verdict.ACCURACY_FLOOR_REACHED, START),
        (
            run_result(500, (trial(GENTLE, confirmed=True), trial(DEEP, confirmed=False)), reached=False),
            Verdict.ACCURACY_FLOOR_REACHED,
            GENTLE,
        ),
        (run_result(500, (trial(GENTLE, confirmed=False),), reached=False), Verdict.NOT_PROVEN, START),
        (
            run_result(600, (trial(DEEP, confirmed=False),), unproven=trial(DEEP, confirmed=False)),
            Verdict.NOT_PROVEN,
            DEEP,
        ),
        (
            run_result(600, (trial(GENTLE, confirmed=True),), unproven=trial(DEEP, confirmed=False)),
            Verdict.NOT_PROVEN,
            DEEP,
        ),
        (
            run_result(None, (trial(DEEP, confirmed=False, lost=9),), unproven=trial(DEEP, confirmed=False, lost=9)),
            Verdict.FLOOR_MISSED,
            DEEP,
        ),
        (run_result(None, (trial(START, confirmed=True),)), Verdict.ACCURACY_FLOOR_REACHED, START),
        (run_result(600, (trial(DEEP, confirmed=True),), max_macs=1000), Verdict.MET, DEEP),
        (run_result(600, (trial(DEEP, confirmed=True),), max_macs=999), Verdict.ACCURACY_FLOOR_REACHED, DEEP),
        (run_result(None, (trial(GENTLE, confirmed=True),), max_macs=3000), Verdict.MET, GENTLE),
        (run_result(None, (trial(GENTLE, confirmed=True),), max_macs=2999), Verdict.ACCURACY_FLOOR_REACHED, GENTLE),
        (run_result(None, (trial(GENTLE, confirmed=True),), measured=700.0), Verdict.MET, GENTLE),
        (run_result(None, (trial(GENTLE, confirmed=True),), measured=701.0), Verdict.ACCURACY_FLOOR_REACHED, GENTLE),
        (run_result(600, (trial(START, confirmed=True),), measured=600.0), Verdict.ACCURACY_FLOOR_REACHED, START),
        (run_result(600, (trial(START, confirmed=True),), cost=0.5), Verdict.NOTHING_PRUNABLE, START),
        (run_result(SIZE, (trial(START, confirmed=True),), cost=0.5), Verdict.MET, START),  # nothing was to be done
        (run_result(600, (trial(DEEP, confirmed=True),), cost=0.5), Verdict.MET, DEEP),  # a policy that asks of no cell
    ],
)
def test_the_verdict_is_about_what_is_exported(result: RunResult, verdict: Verdict, exported: CurvePoint) -> None:
    assert result.verdict is verdict
    assert result.point == exported


def test_the_curve_has_every_step_once_with_the_result_of_its_test() -> None:
    other = point(0.3, h=0.5)
    curve = _curve(run_result(600, (trial(DEEP, confirmed=False), trial(other, confirmed=True))))
    assert [step.memory_saving for step in curve] == [0.0, 0.2, 0.3, 0.4]
    assert [step.confirmed for step in curve] == [None, None, True, False]
    assert [step.confirmed_drop for step in curve] == [None, None, 0.01, 0.01]
    assert [step.drop_upper_bound for step in curve] == [None, None, 0.08, 0.08]


def test_what_is_delivered_without_proof_is_on_the_curve_with_its_test() -> None:
    result = run_result(600, (trial(GENTLE, confirmed=False),), unproven=trial(DEEP, confirmed=False))
    assert [step.confirmed for step in _curve(result)] == [None, False, False]
    assert [one.candidate for one in result.tested] == [GENTLE, DEEP]
    again = run_result(600, (trial(DEEP, confirmed=False, lost=9),), unproven=trial(DEEP, confirmed=False))
    assert [one.pair.lost for one in again.tested] == [again.unproven.pair.lost if again.unproven else None]


def candidates(
    classes: tuple[str, ...],
    *,
    told: tuple[str, ...] = (),
    learned: tuple[str, ...] = (),
    stored: str | None = None,
    **spec: Any,
) -> Any:
    """As much of them as notes are made from."""
    parsed = parse({"budget": {"max_accuracy_drop": 0.03}, **spec})
    images = SimpleNamespace(data=SimpleNamespace(name="set.tar", classes=classes, notes=told, is_labelled=True))
    config = SimpleNamespace(num_classes=3)
    groups = chosen_groups((WHOLE, LARGE), parsed)
    return SimpleNamespace(
        spec=parsed, images=images, config=config, learns_from_search=True, groups=groups, training_notes=learned,
        precision=parsed.weights or stored, plan=lambda rates: Plan(dict.fromkeys(rates, (0,))),
        given=None, finished=None, by_disagreement=False,
    )  # fmt: skip


def test_notes_say_in_which_precision_weights_are_stored_where_nobody_asked_for_it() -> None:
    classes, pruned = ("a", "b", "c"), run_result(None, (trial(DEEP, confirmed=True),))
    whole = run_result(SIZE, (trial(START, confirmed=True),))
    assert _notes(candidates(classes, weights="int8"), pruned) == ()
    [inherited] = _notes(candidates(classes, stored="int8"), pruned)
    assert "stored as int8, as the original's are" in inherited
    [kept] = _notes(candidates(classes, weights="float16"), whole)
    assert "delivered as they were, not rounded to float16" in kept


def test_notes_name_what_a_reader_could_not_guess() -> None:
    fine = run_result(600, (trial(DEEP, confirmed=True),))
    assert _notes(candidates(("a", "b", "c")), fine) == ()
    [numbers] = _notes(candidates(("0", "1")), fine)
    assert "taken as the model's own numbers" in numbers
    [order] = _notes(candidates(("a", "b")), fine)
    assert "set.tar has 2 classes, but the model has 3" in order
    assert _notes(candidates(("a", "b", "c"), told=("No file of c was read.",)), fine) == ("No file of c was read.",)
    assert _notes(candidates(("a", "b", "c"), learned=("No file was read.",)), fine) == (
        "Training data: No file was read.",
    )
    lost = run_result(600, (trial(DEEP, confirmed=False, lost=9),))
    [original] = _notes(candidates(("a", "b", "c")), lost)
    assert "the model is the original" in original
    [learned] = _notes(candidates(("a", "b", "c"), fine_tuning={"epochs": 1}), fine)
    assert "fine-tuned on the search split" in learned
    [whole] = _notes(candidates(("a", "b", "c"), channel_multiple=8), fine)
    assert whole == "No smaller size of whole fits channel_multiple 8: left whole."


@pytest.mark.parametrize(
    ("trials", "unproven", "delivered"),
    [
        ((trial(DEEP, confirmed=False),), None, "the model is the original"),
        (
            (trial(DEEP, confirmed=False), trial(GENTLE, confirmed=True)),
            None,
            "a candidate that saves less is delivered",
        ),
        ((trial(DEEP, confirmed=False),), trial(DEEP, confirmed=False), "delivered without proof"),
    ],
)
def test_what_is_not_proven_says_what_was_measured_and_what_would_prove_it(
    trials: tuple[Trial, ...], unproven: Trial | None, delivered: str
) -> None:
    """1 point was measured of 100 images, with 2 lost and 1 won; 3 points are allowed."""
    [note] = _notes(candidates(("a", "b", "c")), run_result(600, trials, unproven=unproven))
    enough = next(n for n in range(100, 1000) if score_upper_bound(n, 0.02 * n, 0.01 * n, 0.95) <= 0.03)
    for told in ("saves 40.00 %", "a drop of 1.00 points", "3.00 are allowed", "8.00 points", f"about {enough} would"):
        assert told in note
    assert delivered in note


PAIR = Paired(samples=800, lost=12, won=4)
BOUND = drop_upper_bound(PAIR, 0.95)
EXPORTED: Any = SimpleNamespace(predicted=SimpleNamespace(pair=PAIR, by_labels=SimpleNamespace(pair=PAIR)))


@pytest.mark.parametrize(
    ("result", "bound", "held"),
    [
        (run_result(600, (trial(DEEP, confirmed=True),)), min(BOUND, 0.08), True),
        (run_result(600, (trial(DEEP, confirmed=False),), unproven=trial(DEEP, confirmed=False)), BOUND, False),
        (run_result(600, (trial(DEEP, confirmed=False),)), BOUND, True),
        (run_result(600, (trial(DEEP, confirmed=True),), drop=None), BOUND, True),
    ],
)
def test_the_report_says_whether_the_promise_holds(result: RunResult, bound: float, *, held: bool) -> None:
    found = _confirmation(candidates(("a", "b", "c")), result, EXPORTED)
    assert (found.drop_upper_bound, found.held) == (bound, held)


def test_an_early_look_that_confirmed_is_not_taken_back_by_all_images() -> None:
    early = replace(trial(DEEP, confirmed=True), upper_bound=0.001)
    found = _confirmation(candidates(("a", "b", "c")), run_result(600, (early,)), EXPORTED)
    assert found.drop_upper_bound == 0.001


def test_how_the_delivered_model_stands_to_other_limits_is_told() -> None:
    memory = replace(LIMIT, name="inference_bytes", most=80, measure=None)
    after: Any = SimpleNamespace(
        inference_memory_bytes=InferenceBytes(layerwise=90, stepwise=70), synaptic_operations=710.0
    )
    exported: Any = SimpleNamespace(after=after)
    goal = Goal(allowed_drop=None, target_bytes=None, limits=(memory, LIMIT))
    of_memory, of_operations = limit_notes(goal, {"g": 0.4}, exported)
    assert "which is stepwise: 70 bytes, where 80 are allowed; layerwise needs 90" in of_memory
    assert "710 synaptic operations" in of_operations
    assert "700 are allowed; 600 were estimated" in of_operations
    assert of_operations.endswith("The search estimated fewer.")
