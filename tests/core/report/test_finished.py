"""What another budget asks of a finished run."""

from __future__ import annotations

import pytest

from primesvt_core.errors import NotRetargetable
from primesvt_core.report.finished import another_spec, finished_curve
from primesvt_core.report.schema import FamilyFigures
from tests.support.dashboard import sample_report


def test_another_budget_keeps_the_time_steps_of_the_points_and_no_limit_of_size() -> None:
    first = {
        "seed": 3, "accept_unproven": True,
        "budget": {"max_accuracy_drop": 0.03, "max_time_steps": 2, "max_parameter_bytes": 5000},
    }  # fmt: skip
    assert another_spec(first, 0.02) == {"seed": 3, "budget": {"max_accuracy_drop": 0.02, "max_time_steps": 2}}
    assert another_spec({"budget": {"min_accuracy": 0.9}}, 0.02) == {"budget": {"max_accuracy_drop": 0.02}}


def test_a_curve_has_the_budgets_that_its_report_knows_unless_more_is_known() -> None:
    report = sample_report()
    points = [point.model_copy(update={"divergence": 0.1}) for point in report.curve]
    family = FamilyFigures(
        candidates=2, confidence=0.95, candidate_confidence=0.975, budgets=(0.02, 0.04), first_budget=0.03,
        error_spent=0.1,
    )  # fmt: skip
    of_a_child = report.model_copy(update={"curve": tuple(points), "family_of_budgets": family})
    curve = finished_curve("job_1", of_a_child)
    assert (curve.name, curve.first_budget, curve.budgets) == ("job_1", 0.03, (0.02, 0.04))
    assert [point.rates for point in curve.points] == [point.rates for point in report.curve if point.rates]
    assert finished_curve("job_1", of_a_child, (0.05,)).budgets == (0.05,)
    with pytest.raises(NotRetargetable, match="job_1 goes by accuracy"):
        finished_curve("job_1", report)
