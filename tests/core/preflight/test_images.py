"""How many images each split gets, and what those that confirm can prove."""

from __future__ import annotations

import pytest

from primesvt_core.preflight.images import count_images
from primesvt_core.promise.provable import smallest_provable_disagreement, smallest_provable_drop
from tests.support.preflights import asked, data


def test_images_are_counted_against_those_asked_for() -> None:
    spec = asked(splits={"search_images": 100, "confirmation_images": 5000, "calibration_images": 256})
    found = count_images(spec, data(samples=1000))
    assert [(one.split, one.images, one.asked) for one in found.splits] == [
        ("calibration", 100, 256), ("search", 100, 100), ("confirmation", 550, 5000),
    ]  # fmt: skip
    assert found.provable_drop == smallest_provable_drop(550, 0.95)
    assert (found.samples, found.problems) == (1000, ())


def test_a_drop_that_they_cannot_prove_is_a_problem_with_one_that_they_can() -> None:
    spec = asked(budget={"max_accuracy_drop": 0.001})
    [problem] = count_images(spec, data(samples=1000)).problems
    assert (problem.code, problem.field) == ("budget_unprovable", "budget.max_accuracy_drop")
    assert problem.nearest == pytest.approx(0.0049)  # 2.706 / (550 + 2.706) = 0.00490
    taken = asked(budget={"max_accuracy_drop": problem.nearest})
    assert count_images(taken, data(samples=1000)).problems == ()
    assert count_images(asked(budget={"max_accuracy_drop": 0.001}, accept_unproven=True), data()).problems == ()


def test_too_few_images_cannot_be_divided() -> None:
    found = count_images(asked(), data(samples=19))
    assert [problem.code for problem in found.problems] == ["data_too_small"]
    assert [one.images for one in found.splits] == [None, None, None]
    assert found.provable_drop is None
    assert count_images(asked(budget={"min_memory_saving": 0.1}), data(samples=20)).problems == ()


def test_of_what_is_not_validated_only_the_wish_is_known() -> None:
    for unknown in (None, data(samples=0)):
        found = count_images(asked(), unknown)
        assert {one.images for one in found.splits} == {None}
        assert (found.samples, found.provable_drop, found.problems) == (None, None, ())


def test_of_a_disagreement_images_prove_what_binomial_shares_allow() -> None:
    found = count_images(asked(budget={"max_disagreement": 0.001}), data(samples=10_000))
    assert found.provable_drop == smallest_provable_disagreement(4000, 0.95)
    assert found.problems == ()
    [problem] = count_images(asked(budget={"max_disagreement": 0.0007}), data(samples=10_000)).problems
    assert (problem.code, problem.field) == ("budget_unprovable", "budget.max_disagreement")
    assert problem.nearest is not None
    assert problem.nearest >= smallest_provable_disagreement(4000, 0.95)
