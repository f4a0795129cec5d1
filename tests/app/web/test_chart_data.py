from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.jobs.records import JobEvent
from app.web import chart_data
from primesvt_client.facts import DisagreementFacts, TrialFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from tests.support.dashboard import BASELINE, BUDGET, progress, sample_report
from tests.support.disagreements import disagreement_report


def events(*reports: Progress | dict[str, object]) -> list[JobEvent]:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    documents = [report.document() if isinstance(report, Progress) else report for report in reports]
    return [JobEvent(id=n, at=at, kind="progress", data=data) for n, data in enumerate(documents, start=1)]


def test_a_reports_curves_are_in_percent_and_points() -> None:
    drawn = chart_data.of_report(sample_report())
    assert drawn.steps[0] == chart_data.CandidatePoint(label="original", saving=0.0, accuracy=100 * BASELINE)
    assert drawn.lines.target == pytest.approx(25)
    assert drawn.lines.floor == pytest.approx(100 * BASELINE - 3)
    assert drawn.robustness[0].points[0] == (0.0, 0.0)
    assert drawn.robustness[0].points[-1][0] == pytest.approx(90)
    assert (len(drawn.confirmed), len(drawn.not_confirmed)) == (1, 1)
    assert drawn.lines.floor is not None
    assert drawn.not_confirmed[0].accuracy < drawn.lines.floor


def test_a_candidate_that_lost_nothing_is_not_among_those_that_lost_too_much() -> None:
    report = sample_report()
    last = report.curve[-1].model_copy(update={"confirmed_drop": 0.0})
    drawn = chart_data.of_report(report.model_copy(update={"curve": (*report.curve[:-1], last)}))
    assert (len(drawn.confirmed), len(drawn.not_proven), len(drawn.not_confirmed)) == (1, 1, 0)
    assert drawn.not_proven[0].accuracy == pytest.approx(100 * BASELINE)
    assert drawn.to_json().keys() >= {"confirmed", "not_proven", "not_confirmed"}


def test_a_running_jobs_curves_grow_to_the_same_robustness() -> None:
    reports = progress()
    live = chart_data.of_events(events(*reports), chart_data.budget_lines(BUDGET, None))
    finished = chart_data.of_report(sample_report())
    assert live.robustness == finished.robustness
    assert live.lines.floor == pytest.approx(100 * BASELINE - 3)
    assert len(live.tried) == len(finished.steps) - 1


def test_what_is_reported_again_after_a_restart_counts_once() -> None:
    reports = [report for report in progress() if report.step in (Step.PROFILE, Step.SEARCH)]
    confirm = Progress(step=Step.CONFIRM, done=1, facts=TrialFacts(memory_saving=0.2, accuracy_drop=0.01, samples=9))
    lines = chart_data.budget_lines(BUDGET, None)
    once = chart_data.of_events(events(*reports, confirm), lines)
    assert chart_data.of_events(events(*reports, confirm, *reports, confirm), lines) == once
    assert once.measured[0].accuracy == pytest.approx(100 * (BASELINE - 0.01))


def test_facts_of_another_version_are_passed_over() -> None:
    odd: list[dict[str, object]] = [
        {"step": "profile", "facts": {"group": "x"}},
        {"step": "profile", "facts": {"group": "x", "rate": 0.5, "accuracy": "high", "accuracy_drop": []}},
        {"step": "search", "facts": None},
        {"step": "new"},
        {"kind": "of another version"},
    ]
    assert chart_data.of_events(events(*odd), chart_data.BudgetLines()) == chart_data.JobCharts()


@pytest.mark.parametrize(
    ("budget", "size", "target"),
    [
        ({"min_memory_saving": 0.25}, None, 25),
        ({"max_parameter_bytes": 400}, 1000, 60),
        ({"min_memory_saving": 0.7, "max_parameter_bytes": 400}, 1000, 70),
        ({"max_parameter_bytes": 2000}, 1000, 0),
        ({"max_parameter_bytes": 400}, None, None),
        ({}, 1000, None),
    ],
)
def test_the_stricter_memory_target_is_drawn(budget: dict[str, float], size: int | None, target: float | None) -> None:
    assert chart_data.budget_lines(budget, size).target == (None if target is None else pytest.approx(target))


def test_the_higher_floor_is_drawn() -> None:
    lines = chart_data.budget_lines({"max_accuracy_drop": 0.03, "min_accuracy": 0.92}, None)
    assert chart_data.of_events([], lines).lines.floor == pytest.approx(92)
    assert chart_data.of_events(events(*progress()), lines).lines.floor == pytest.approx(92)


def test_nothing_measured_is_nothing_drawn() -> None:
    nothing = chart_data.of_events([], chart_data.BudgetLines())
    assert (nothing.candidates, nothing.robustness) == ((), ())


def test_where_a_disagreement_is_promised_agreements_are_drawn() -> None:
    facts = [
        (Step.PROFILE, DisagreementFacts(disagreement=0.1, group="mlp", rate=0.5)),
        (Step.SEARCH, DisagreementFacts(disagreement=0.04, memory_saving=0.3)),
        (Step.CONFIRM, DisagreementFacts(disagreement=0.02, memory_saving=0.3, samples=500)),
        (Step.CONFIRM, DisagreementFacts(disagreement=0.03, memory_saving=0.3, samples=1000)),
    ]
    reports = [Progress(step=step, done=1, facts=of_step) for step, of_step in facts]
    live = chart_data.of_events(events(*reports), chart_data.budget_lines({"max_disagreement": 0.05}, None))
    assert live.robustness == (chart_data.RobustnessCurve(group="mlp", points=((0.0, 0.0), (50.0, 10.0))),)
    assert [point.accuracy for point in live.tried] == [pytest.approx(96)]
    assert [point.accuracy for point in live.measured] == [pytest.approx(97)]
    assert (live.lines.by_disagreement, live.lines.allowed_drop, live.lines.floor) == (True, 5.0, 95.0)


def test_a_report_of_a_disagreement_has_no_accuracy_and_is_drawn() -> None:
    drawn = chart_data.of_report(disagreement_report())
    assert drawn.steps[0].accuracy == 100
    assert drawn.lines.floor == pytest.approx(97)
    assert (len(drawn.confirmed), len(drawn.not_confirmed)) == (1, 1)
    assert drawn.robustness == chart_data.of_report(sample_report()).robustness


def test_the_chart_has_bounds_limits_and_what_is_delivered_on_one_scale() -> None:
    report = sample_report()
    drawn = chart_data.of_report(report, lambda point: ("1.5", "/x") if point.rates else ("", ""))
    (confirmed,) = drawn.confirmed
    assert confirmed.drop == pytest.approx(100 * (report.curve[5].confirmed_drop or 0))
    assert confirmed.bound is None
    assert [point.limit for point in drawn.steps[:2]] == ["", "1.5"]
    assert drawn.lines.most_lost == pytest.approx(3)
    assert drawn.delivered is not None
    assert drawn.delivered.label == "delivered model"  # no point of the curve is of its size
    sized = report.model_copy(
        update={"pruned": report.pruned.model_copy(update={"parameter_bytes": report.curve[5].parameter_bytes})}
    )
    drawn = chart_data.of_report(sized)
    assert drawn.delivered is not None
    assert drawn.delivered.drop == pytest.approx(1.89)
    assert drawn.delivered.bound == pytest.approx(2.46)
    assert drawn.confirmed[0].bound == pytest.approx(2.46)  # an older report has it beside the curve


def test_a_lowest_accuracy_is_a_limit_of_what_may_be_lost() -> None:
    lines = chart_data.budget_lines({"min_accuracy": 0.92}, None)
    assert lines.most_lost is None
    assert chart_data.of_events(events(*progress()), lines).lines.most_lost == pytest.approx(100 * (BASELINE - 0.92))
