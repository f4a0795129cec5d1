"""Counts by class, and which classes lose more than chance explains."""

from __future__ import annotations

from itertools import product
from math import comb

import pytest

from primesvt_core.promise.bounds import Paired
from primesvt_core.promise.classes import ERROR, OfClass, by_class, losing_classes


def of(label: int, samples: int, lost: int, won: int = 0) -> OfClass:
    return OfClass(label=label, pair=Paired(samples=samples, lost=lost, won=won), right_before=samples)


def test_every_class_with_images_is_counted() -> None:
    found = by_class([4, 0, 4, 4, 0], [True, True, False, True, False], [False, True, True, True, False])
    assert [(each.label, each.pair.samples) for each in found] == [(0, 2), (4, 3)]
    assert [(each.right_before, each.right_after) for each in found] == [(1, 1), (2, 2)]
    assert [(each.pair.lost, each.pair.won) for each in found] == [(0, 0), (1, 1)]
    assert by_class([], [], []) == ()


def test_counts_are_those_of_all_images() -> None:
    rights = [*product([True, False], repeat=2)] * 3
    found = by_class([index % 5 for index in range(12)], *zip(*rights, strict=True))
    assert sum(each.right_before for each in found) == sum(before for before, _ in rights)
    assert sum(each.right_after for each in found) == sum(after for _, after in rights)


@pytest.mark.parametrize("lost", range(11))
def test_where_nothing_else_is_lost_the_test_is_binomial(lost: int) -> None:
    """Of a pruned model that wins as many images elsewhere, the limit is 0: no loss is only as likely as chance allows.

    With at least ``lost`` images lost and none won, at a drop of 0, the least favourable probability q of losing and of
    winning an image each makes this ``sum(C(n, k) q^k (1 - 2q)^(n - k), k >= lost)``; the grid finds its maximum.
    """
    classes = [of(0, 10, lost), of(1, 10, 0, lost)]
    grid = [step / 4000 for step in range(2001)]
    chance = max(sum(comb(10, k) * q**k * (1 - 2 * q) ** (10 - k) for k in range(lost, 11)) for q in grid)
    assert (losing_classes(classes) == (classes[0],)) is (lost > 0 and chance < ERROR / 2)


def test_a_class_must_lose_three_times_what_all_lose() -> None:
    alike = [of(label, 200, 40) for label in range(4)]
    assert losing_classes(alike) == ()
    assert losing_classes([*alike, of(4, 200, 130)]) == ()  # less than three times 29 points
    few = [of(label, 200, 1) for label in range(9)]
    assert losing_classes([*few, of(9, 200, 30)]) == (of(9, 200, 30),)
    assert losing_classes([*few, of(9, 200, 9)]) == ()  # as likely by chance


def test_more_classes_ask_for_more_evidence() -> None:
    losing = of(0, 20, 6)
    assert losing_classes([losing, of(1, 20, 0, 6)]) == (losing,)
    others = [of(label, 20, 0) for label in range(2, 1000)]
    assert losing_classes([losing, of(1, 20, 0, 6), *others]) == ()


def test_those_that_lose_most_come_first() -> None:
    found = losing_classes([of(0, 100, 40), of(1, 100, 60), of(2, 1000, 0, 100)])
    assert [each.label for each in found] == [1, 0]


def test_images_won_count_against_images_lost() -> None:
    classes = [of(0, 100, 20, 20), of(1, 1000, 0)]
    assert losing_classes(classes) == ()


def test_nothing_is_told_of_nothing() -> None:
    assert losing_classes(()) == ()
