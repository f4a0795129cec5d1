"""What one image costs."""

from __future__ import annotations

from typing import Any

from app.web.job.measurements import absent, energy_note, firing_rates, measurements
from primesvt_core.report.schema import Report
from tests.support.dashboard import sample_report
from tests.support.old_reports import version_1

NOT_IN_1 = {"macs", "synaptic_operations", "energy", "inference_layerwise", "inference_stepwise"}


def keys(report: Report) -> set[str]:
    return {row.key for row in measurements(report)}


def test_both_models_stand_beside_each_other() -> None:
    rows = {row.key: row for row in measurements(sample_report())}
    assert rows.keys() >= NOT_IN_1 | {"parameters", "latency", "spikes"}
    assert (rows["parameter_bytes"].before, rows["parameter_bytes"].after) == ("35.6 MiB", "26.1 MiB")
    assert rows["parameter_bytes"].change == "26.7 % less"
    assert (rows["spikes"].before, rows["spikes"].change) == ("41.0 thousand", "")
    assert (rows["energy"].before, rows["energy"].after) == ("58.6 µJ", "45.1 µJ")
    assert "45 nm" in energy_note(sample_report())
    assert absent(sample_report()) == ""


def test_of_an_older_report_it_is_said_what_is_missing_and_why() -> None:
    report = Report.model_validate(version_1(sample_report()))
    assert not keys(report) & NOT_IN_1
    assert energy_note(report) == ""
    for name in ("energy", "inference memory", "accuracy by time steps", report.primesvt_version):
        assert name in absent(report)


def test_odd_figures_are_shown_and_never_divided_by() -> None:
    report = sample_report()
    nothing: dict[str, Any] = {"spikes_per_image": 0.0, "energy_joules": 0.0, "firing_rates": {}}
    odd = report.model_copy(
        update={
            "baseline": report.baseline.model_copy(update=nothing),
            "pruned": report.pruned.model_copy(update=nothing),
            "timings": {},
        }
    )
    rows = {row.key: row for row in measurements(odd)}
    assert rows["energy"].change == ""
    assert "latency" not in rows
    assert "latency" in absent(odd)
    assert firing_rates(odd) == ()


def test_latencies_within_their_spread_claim_no_change() -> None:
    timings = {"latency_before": 0.02, "latency_before_low": 0.01, "latency_before_high": 0.03, "latency_after": 0.015,
               "latency_after_low": 0.014, "latency_after_high": 0.02}  # fmt: skip
    row = next(
        row for row in measurements(sample_report().model_copy(update={"timings": timings})) if row.key == "latency"
    )
    assert (row.before, row.change) == ("20 ms (10 to 30)", "")
    assert "spread" in row.note


def test_firing_rates_have_bars_of_the_longest() -> None:
    report = sample_report()
    before = report.baseline.model_copy(update={"firing_rates": {"a": 0.2, "b": 0.1}})
    after = report.pruned.model_copy(update={"firing_rates": {"a": 0.1, "c": 0.0}})
    rows = firing_rates(report.model_copy(update={"baseline": before, "pruned": after}))
    assert [(row.layer, row.before_width, row.after_width) for row in rows] == [
        ("a", 100, 50),
        ("b", 50, 0),
        ("c", 0, 0),
    ]
    assert (rows[2].before, rows[2].after) == (None, 0.0)
