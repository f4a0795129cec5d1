"""A result in one sentence."""

from __future__ import annotations

import pytest

from app.web.job import sentence
from primesvt_client.facts import ResultSummary
from primesvt_core.types import Verdict
from tests.support.dashboard import sample_report
from tests.support.disagreements import disagreement_report


def test_it_has_what_was_saved_what_is_lost_and_what_is_promised() -> None:
    found = sentence.of_report(sample_report())
    for part in (
        "26.7 %",
        "35.572 → 26.083 MiB",
        "loses 1.89 points",
        "93.12 % to 91.23 %",
        "4,000",
        "95 %",
        "2.46 points",
        "3.00",
    ):
        assert part in found


def test_it_gains_keeps_or_delivers_the_original() -> None:
    report = sample_report()
    gains = sentence.of_report(report.model_copy(update={"accuracy_drop": -0.004}))
    assert "gains 0.40 points" in gains
    assert "keeps its accuracy" in sentence.of_report(report.model_copy(update={"accuracy_drop": 0.00001}))
    original = report.model_copy(update={"pruned": report.baseline, "verdict": Verdict.NOTHING_PRUNABLE})
    assert "original" in sentence.of_report(original)


def test_a_disagreement_is_said_in_its_own_words() -> None:
    found = sentence.of_report(disagreement_report())
    for part in ("another class than the original on 1.90 % of 4,000", "at most 2.46 %", "3.00 %"):
        assert part in found


@pytest.mark.parametrize(
    ("summary", "part"),
    [
        (ResultSummary(), ""),
        (ResultSummary(memory_saving=0.5), ""),
        (ResultSummary(memory_saving=0.0, parameter_bytes_before=9, parameter_bytes_after=9), "original"),
        (ResultSummary(memory_saving=0.5, parameter_bytes_before=8, parameter_bytes_after=4), "not measured"),
        (
            ResultSummary(memory_saving=0.5, parameter_bytes_before=8, parameter_bytes_after=4, accuracy_drop=0.01),
            "loses 1.00 points",
        ),
        (
            ResultSummary(memory_saving=0.5, parameter_bytes_before=8, parameter_bytes_after=4, disagreement=0.01),
            "1.00 %",
        ),
    ],
)
def test_a_summary_alone_says_what_it_knows(summary: ResultSummary, part: str) -> None:
    assert part in sentence.of_summary(summary)
    assert bool(sentence.of_summary(summary)) == bool(part)
