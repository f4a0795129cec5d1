"""What verdicts mean."""

from __future__ import annotations

from itertools import product

import pytest

from primesvt_client.states import Verdict
from primesvt_client.verdicts import GIVEN_ALONE, VERDICTS, meaning

CASES = [
    dict(zip(("is_original", "is_proven", "has_floor", "by_disagreement"), case, strict=True))
    for case in product((True, False), repeat=4)
]
PROMISES = ("confirmed on images", "was confirmed", "is confirmed")


@pytest.mark.parametrize("verdict", Verdict)
def test_only_the_original_is_called_so(verdict: Verdict) -> None:
    for case in CASES:
        if verdict is Verdict.NOTHING_PRUNABLE and not case["is_original"]:
            continue  # there is no such result
        if verdict in GIVEN_ALONE and case["is_original"]:
            continue  # nor such a one
        text = meaning(verdict, **case)
        assert ("original model" in text) is case["is_original"], (case, text)


def test_nothing_is_said_to_be_confirmed_that_is_not() -> None:
    for verdict, case in product(Verdict, CASES):
        is_claimed = any(promise in meaning(verdict, **case) for promise in PROMISES)
        if case["is_original"] or (verdict is Verdict.MET and not case["has_floor"]):
            assert not is_claimed, (verdict, case)
        if verdict is Verdict.NOT_PROVEN and not case["is_original"]:
            assert is_claimed is case["is_proven"]


def test_a_verdict_of_another_version_has_no_meaning_here() -> None:
    assert meaning("novel", is_original=False, is_proven=True, has_floor=True) == ""
    assert all(text.title and text.meaning for text in VERDICTS.values())


def test_where_a_disagreement_is_limited_nothing_is_said_of_accuracy() -> None:
    for verdict, case in product(Verdict, CASES):
        if case["by_disagreement"] and case["has_floor"] and verdict is not Verdict.NOT_MEASURED:
            assert "accuracy" not in meaning(verdict, **case), (verdict, case)
