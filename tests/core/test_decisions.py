"""Decisions about candidates of which not all images were counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_core.decisions import Answer, Tally, answer, margin_of

BITS = st.lists(st.booleans(), min_size=1, max_size=40)
MARGINS, OFF = st.integers(0, 5), st.integers(-5, 5)


@given(original=st.integers(0, 40), bits=BITS, allowed=st.floats(0, 1), seen=st.integers(0, 40))
def test_an_answer_that_comes_early_is_the_one_that_all_images_give(
    original: int, bits: list[bool], allowed: float, seen: int
) -> None:
    total, original = len(bits), min(original, len(bits))
    early = answer(original, Tally.of([bits[:seen]], total), allowed)
    whole = answer(original, Tally.of([bits], total), allowed)
    assert whole in (Answer.WITHIN, Answer.BEYOND)
    assert (whole is Answer.WITHIN) == (original - sum(bits) <= allowed * total + 1e-9)
    assert early in (whole, Answer.OPEN)


@given(
    original=st.integers(0, 40), bits=BITS, allowed=st.floats(0, 1), margin=st.integers(0, 5), off=st.integers(-5, 5)
)
def test_within_the_margin_nothing_is_decided(
    original: int, bits: list[bool], allowed: float, margin: int, off: int
) -> None:
    """Whatever the engine miscounts within the margin, it does not decide otherwise than the reference."""
    total, right = len(bits), sum(bits)
    original, true = min(original, total), right + max(-margin, min(margin, off))
    found = answer(original, Tally(right=right, seen=total, total=total), allowed, margin)
    wanted = original - true <= allowed * total + 1e-9
    assert found is not Answer.OPEN
    if found is not Answer.CLOSE:
        assert (found is Answer.WITHIN) == wanted


@pytest.mark.parametrize("lost", range(1, 90))
def test_a_drop_of_exactly_what_is_allowed_is_within(lost: int) -> None:
    """Whatever its binary fraction: 0.29 of 100 images is a little less than 29."""
    assert answer(90, Tally(right=90 - lost, seen=100, total=100), lost / 100) is Answer.WITHIN
    assert answer(90, Tally(right=89 - lost, seen=100, total=100), lost / 100) is Answer.BEYOND


def test_a_candidate_is_rejected_as_soon_as_the_images_left_cannot_save_it() -> None:
    assert answer(90, Tally(right=6, seen=19, total=100), 0.03) is Answer.OPEN
    assert answer(90, Tally(right=5, seen=19, total=100), 0.03) is Answer.BEYOND


def test_nothing_is_within_before_all_images_are_counted() -> None:
    assert answer(90, Tally(right=99, seen=99, total=100), 1.0) is Answer.OPEN
    assert answer(90, Tally(right=99, seen=100, total=100), 1.0) is Answer.WITHIN


def test_what_is_not_counted_yet_counts_as_right() -> None:
    tally = Tally.of([[True, False], [False, False]], 10)
    assert (tally.right, tally.seen, tally.left, tally.is_complete) == (1, 4, 6, False)
    assert tally.accuracy == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("differing", "compared", "total", "images"),
    [(0, 1000, 1000, 3), (0, 100, 1000, 30), (4, 1000, 1000, 11), (0, 0, 50, 50)],
)
def test_the_margin_is_the_upper_bound_of_how_often_engines_differ(
    differing: int, compared: int, total: int, images: int
) -> None:
    assert margin_of(differing, compared, total) == images
