"""Bounds of a disagreement: those of a binomial share, by scipy's own distribution; and what images can prove of it."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from primesvt_core.errors import BudgetUnprovable
from primesvt_core.promise.bounds import Paired, differing, drop_lower_bound, drop_upper_bound
from primesvt_core.promise.disagreement import (
    disagreement_lower_bound,
    disagreement_upper_bound,
    images_to_prove_disagreement,
)
from primesvt_core.promise.provable import (
    check_provable,
    images_needed_for_disagreement,
    smallest_provable_disagreement,
)


@pytest.mark.parametrize(("samples", "count"), [(20, 0), (20, 3), (300, 9), (1000, 30), (4000, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_upper_bound_is_the_share_under_which_so_few_have_the_error(
    samples: int, count: int, confidence: float
) -> None:
    bound = disagreement_upper_bound(samples, count, confidence)
    assert binom.cdf(count, samples, bound) == pytest.approx(1 - confidence)
    assert bound == drop_upper_bound(Paired(samples=samples, lost=count, won=0, by_disagreement=True), confidence)


@pytest.mark.parametrize(("samples", "count"), [(20, 3), (300, 9), (4000, 1)])
def test_the_lower_bound_is_the_share_under_which_so_many_have_the_error(samples: int, count: int) -> None:
    bound = disagreement_lower_bound(samples, count, 0.99)
    assert binom.sf(count - 1, samples, bound) == pytest.approx(0.01)
    assert bound == drop_lower_bound(Paired(samples=samples, lost=count, won=0, by_disagreement=True), 0.99)


def test_bounds_at_the_ends() -> None:
    assert disagreement_lower_bound(50, 0, 0.95) == 0.0
    assert disagreement_upper_bound(50, 50, 0.95) == 1.0
    assert disagreement_upper_bound(50, 0, 0.95) == smallest_provable_disagreement(50, 0.95)


def test_images_that_differ_are_counted() -> None:
    pair = differing([True, False, True, True, False])
    assert (pair.samples, pair.lost, pair.won, pair.drop, pair.by_disagreement) == (5, 2, 0, 0.4, True)


@pytest.mark.parametrize("samples", [20, 499, 500, 4000])
def test_as_many_images_are_needed_as_prove_it(samples: int) -> None:
    smallest = smallest_provable_disagreement(samples, 0.95)
    assert (1 - smallest) ** samples == pytest.approx(0.05)
    assert images_needed_for_disagreement(smallest, 0.95) == samples
    assert images_needed_for_disagreement(0.0, 0.95) is None


def test_what_would_prove_it_at_the_same_rate() -> None:
    found = images_to_prove_disagreement(500, 20, 0.05, 0.95)
    assert found is not None
    assert disagreement_upper_bound(found, 0.04 * found, 0.95) <= 0.05
    assert disagreement_upper_bound(found - 1, 0.04 * (found - 1), 0.95) > 0.05
    assert images_to_prove_disagreement(500, 25, 0.05, 0.95) is None


def test_a_disagreement_that_images_cannot_prove_is_refused_with_what_they_can() -> None:
    check_provable(0.01, 300, 0.95, accept_unproven=False, by_disagreement=True)
    check_provable(0.001, 300, 0.95, accept_unproven=True, by_disagreement=True)
    with pytest.raises(BudgetUnprovable, match=r"disagreement of 0\.9 %") as refusal:
        check_provable(0.009, 300, 0.95, accept_unproven=False, by_disagreement=True)
    facts = refusal.value.facts
    assert facts["smallest_provable_disagreement"] == pytest.approx(1 - 0.05 ** (1 / 300))
    assert facts["images_needed"] == 332  # ln 0.05 / ln 0.991 = 331.4


def test_a_drop_of_many_images_is_bounded_more_tightly_by_its_own_bound() -> None:
    """Tango's bound is no bound of a disagreement: where none differs it promises a tenth more than images prove."""
    nothing = Paired(samples=4000, lost=0, won=0)
    assert drop_upper_bound(nothing, 0.95) < disagreement_upper_bound(4000, 0, 0.95)
