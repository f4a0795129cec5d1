"""What so many images can prove, and how many are needed: each the inverse of the other, on both sides of 500."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_core.errors import BudgetUnprovable
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.promise.exact import exact_upper_bound
from primesvt_core.promise.provable import check_provable, images_needed, images_to_prove, smallest_provable_drop
from primesvt_core.promise.score import score_upper_bound

DROPS = st.floats(1e-4, 0.9)


@pytest.mark.parametrize(("samples", "wanted"), [(300, 2.996 / 300), (494, 2.996 / 494), (4000, 2.706 / 4000)])
def test_about_three_images_lost_cannot_be_excluded(samples: int, wanted: float) -> None:
    assert smallest_provable_drop(samples, 0.95) == pytest.approx(wanted, rel=0.006)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("samples", [1, 20, 499, 500, 4000])
def test_it_is_the_bound_where_nothing_is_lost(samples: int, confidence: float) -> None:
    bound = exact_upper_bound if samples < 500 else score_upper_bound
    found = smallest_provable_drop(samples, confidence)
    assert found == pytest.approx(bound(samples, 0, 0, confidence), abs=2e-7)
    assert found == drop_upper_bound(Paired(samples=samples, lost=0, won=0), confidence)


@given(drop=DROPS, confidence=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.96, 0.99, 0.999]), above=st.integers(0, 2000))
def test_the_images_needed_are_the_fewest_that_suffice(drop: float, confidence: float, above: int) -> None:
    found = images_needed(drop, confidence, above)
    assert found is not None
    assert found > above
    assert smallest_provable_drop(found, confidence) <= drop
    for fewer in range(above + 1, min(found, above + 1200)):
        assert smallest_provable_drop(fewer, confidence) > drop
    if found - 1 > above:
        assert smallest_provable_drop(found - 1, confidence) > drop


def test_more_images_prove_less_once_where_little_error_is_allowed() -> None:
    """One point at 99 %: 459 to 499 images prove it, and from 536 on; not those between."""
    provable = [n for n in range(1, 600) if smallest_provable_drop(n, 0.99) <= 0.01]
    assert provable == [*range(459, 500), *range(536, 600)]
    assert (images_needed(0.01, 0.99), images_needed(0.01, 0.99, above=510)) == (459, 536)
    drops = [smallest_provable_drop(n, 0.95) for n in range(1, 3000)]
    assert drops == sorted(drops, reverse=True)


@pytest.mark.parametrize("drop", [0.0, -0.01, 1e-300])
def test_no_number_of_images_proves_that_nothing_is_lost(drop: float) -> None:
    assert images_needed(drop, 0.95) is None


@pytest.mark.parametrize(("samples", "lost", "won"), [(1000, 20, 10), (4000, 100, 0), (300, 3, 1), (500, 14, 1)])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_so_many_images_would_prove_it_at_the_same_rates(samples: int, lost: int, won: int, confidence: float) -> None:
    wanted = images_to_prove(samples, lost, won, 0.03, confidence)
    assert wanted is not None
    for images, is_proven in ((wanted, True), (wanted - 1, False)):
        share = images / samples
        assert (score_upper_bound(images, lost * share, won * share, confidence) <= 0.03 + 1e-12) is is_proven


def test_what_lost_too_much_is_not_proven_by_more_images() -> None:
    assert images_to_prove(1000, 40, 10, 0.03, 0.95) is None
    for lost, won in ((0, 0), (0, 9), (1, 30)):  # nothing lost proves most
        assert images_to_prove(400, lost, won, 0.001, 0.95) == images_needed(0.001, 0.95)
    assert images_to_prove(400, 0, 1, 0.0, 0.95) is None


def test_a_drop_that_cannot_be_proven_is_refused_with_the_nearest_that_can() -> None:
    check_provable(0.01, 299, 0.95, accept_unproven=False)
    check_provable(None, 1, 0.95, accept_unproven=False)
    check_provable(0.001, 299, 0.95, accept_unproven=True)
    with pytest.raises(BudgetUnprovable, match=r": 2,703 are needed") as refusal:
        check_provable(0.001, 299, 0.95, accept_unproven=False)
    facts = refusal.value.facts
    assert (facts["images_needed"], facts["confirmation_images"], facts["allowed_drop"]) == (2703, 299, 0.001)
    assert facts["smallest_provable_drop"] == pytest.approx(1 - 0.05 ** (1 / 299))
    assert "allow a drop of 0.01," in refusal.value.message
    assert "--accept-unproven" in refusal.value.message
    with pytest.raises(BudgetUnprovable, match="no number of images"):
        check_provable(0.0, 299, 0.95, accept_unproven=False)


@given(samples=st.integers(1, 10**6))
def test_the_drop_that_the_message_offers_can_be_proven(samples: int) -> None:
    with pytest.raises(BudgetUnprovable) as refusal:
        check_provable(1e-9, samples, 0.95, accept_unproven=False)
    offered = float(refusal.value.message.partition("allow a drop of ")[2].partition(",")[0])
    check_provable(offered, samples, 0.95, accept_unproven=False)
