"""Limits beside what is delivered."""

from __future__ import annotations

from app.web.job.limits import limits
from primesvt_core.report.schema import LimitFigures
from tests.support.dashboard import sample_report


def test_every_limit_is_in_its_own_unit() -> None:
    found = (
        LimitFigures(name="max_accuracy_drop", allowed=0.03, delivered=0.0246, kept=True),
        LimitFigures(name="min_memory_saving", allowed=0.25, delivered=0.2, kept=False),
        LimitFigures(name="max_parameter_bytes", allowed=1 << 20, delivered=1 << 19, kept=True),
        LimitFigures(name="max_macs", allowed=5000, delivered=4000, kept=True),
        LimitFigures(name="of another version", allowed=0.5, delivered=0.25, kept=True),
    )
    rows = limits(sample_report().model_copy(update={"limits": found}))
    assert [(row.allowed, row.delivered, row.is_kept) for row in rows] == [
        ("3.00 points", "2.46 points", True), ("25.00 %", "20.00 %", False), ("1.00 MiB", "512.0 KiB", True),
        ("5,000", "4,000", True), ("0.5", "0.25", True),
    ]  # fmt: skip
    assert (rows[0].label, rows[-1].label) == ("Max. accuracy drop", "of another version")
    assert limits(sample_report()) == ()
