"""All groups by all rates, with the zone of the budget."""

from __future__ import annotations

from app.web.chart_data import RobustnessCurve
from app.web.job import robustness
from tests.support.dashboard import sample_report

CURVES = (
    RobustnessCurve(group="a", points=((0.0, 0.0), (10.0, -0.004), (50.0, 3.0), (90.0, 40.0)), bounds=(90.0,)),
    RobustnessCurve(group="b", points=((0.0, 0.0), (50.0, 3.5))),
)


def test_every_cell_has_its_zone() -> None:
    table = robustness.table(CURVES, 3.0, None)
    assert table.rates == ("10 %", "50 %", "90 %")
    first, second = table.groups
    assert [loss and (loss.text, loss.zone) for loss in first.losses] == [
        ("0.00", "kept"), ("3.00", "kept"), ("≥ 40.00", "over")
    ]  # fmt: skip
    assert [loss and loss.zone for loss in second.losses] == [None, "near", None]


def test_a_bound_at_the_limit_is_beyond_it() -> None:
    (group,) = robustness.table(
        [RobustnessCurve(group="a", points=((0.0, 0.0), (50.0, 3.0)), bounds=(50.0,))], 3.0, None
    ).groups
    assert [loss and loss.zone for loss in group.losses] == ["near"]


def test_without_a_limit_the_zone_is_three_points() -> None:
    for nothing in (None, 0.0):
        table = robustness.table(CURVES, nothing, None)
        assert (table.limit, table.is_of_budget) == (3.0, False)
    assert robustness.table((), None, None).groups == ()


def test_a_finished_job_says_at_which_rates_groups_are_delivered() -> None:
    report = sample_report()
    group = report.groups[0].model_copy(update={"rate": 0.25})
    report = report.model_copy(update={"groups": (group, *report.groups[1:])})
    curves = (
        RobustnessCurve(group=group.name, points=((0.0, 0.0),)),
        RobustnessCurve(group="gone", points=((0.0, 0.0),)),
    )
    assert [one.delivered for one in robustness.table(curves, 3.0, report).groups] == ["25 %", ""]
