"""Looks at candidates: where they are, and what they may spend."""

from __future__ import annotations

import itertools

import pytest
from scipy.stats import norm

from primesvt_core.promise.looks import look_counts, plan_looks
from primesvt_core.promise.provable import smallest_provable_drop


@pytest.mark.parametrize(
    ("samples", "step", "counts"),
    [
        (300, 1, (300,)),
        (999, 1, (999,)),
        (1000, 1, (500, 1000)),
        (4000, 50, (500, 1000, 2000, 4000)),
        (100_000, 50, (6250, 12_500, 25_000, 50_000, 100_000)),
        (4321, 50, (500, 1050, 2150, 4321)),
        (4000, 4000, (4000,)),
        (1999, 512, (512, 1999)),
    ],
)
def test_looks_double_from_500_images_on_in_whole_batches(samples: int, step: int, counts: tuple[int, ...]) -> None:
    assert look_counts(samples, step) == counts


def spent_by(fraction: float) -> float:
    """O'Brien and Fleming's spending function, as Lan and DeMets give it, as a share of 5 %."""
    return float(2 - 2 * norm.cdf(norm.ppf(1 - 0.05 / 2) / fraction**0.5)) / 0.05


def test_early_looks_spend_what_o_brien_and_fleming_let_them() -> None:
    looks = plan_looks(4000, 0.1, 0.05)
    spent = [*itertools.accumulate(look.share for look in looks)]
    assert [look.samples for look in looks] == [500, 1000, 2000, 4000]
    assert spent[1:] == pytest.approx([spent_by(0.25), spent_by(0.5), 1.0])
    assert looks[0].share == 0.0  # it would have next to nothing: 6e-7 of the error
    assert spent_by(0.125) < 1e-6


@pytest.mark.parametrize("samples", [500, 1000, 1999, 4000, 100_000])
@pytest.mark.parametrize("drop", [0.0001, 0.001, 0.003, 0.03, 0.5])
@pytest.mark.parametrize("error", [0.001, 0.05, 0.5])
def test_all_shares_are_the_whole_error_and_none_is_wasted(samples: int, drop: float, error: float) -> None:
    looks = plan_looks(samples, drop, error)
    assert sum(look.share for look in looks) == pytest.approx(1.0)
    for look in looks[:-1]:
        assert look.share == 0 or smallest_provable_drop(look.samples, 1 - error * look.share) <= drop
    if len(looks) > 1 and smallest_provable_drop(looks[-2].samples, 1 - error * spent_by(0.5)) > drop:
        assert looks[-1].share == 1.0  # so that the last one proves all that so many images can
