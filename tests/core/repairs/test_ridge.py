"""Least squares from sums, against numpy's on the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from primesvt_core.calibration import Moments
from primesvt_core.repairs._ridge import LARGEST_SCALE, refit, sums_of, sums_over

GROUPS, ROWS, COLUMNS, RESULTS = 2, 50, 6, 4
RIDGE = 0.1


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_numpy(x: Tensor, y: Tensor, start: Tensor, *, with_constant: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of one group: filters nearest to ``y``, with rows that draw them to ``start``."""
    means = (x.mean(0), y.mean(0)) if with_constant else (torch.zeros(x.shape[1]), torch.zeros(y.shape[1]))
    x_about, y_about = x - means[0], y - means[1]
    weight = (RIDGE * len(x) * x_about.square().mean()).sqrt()
    left = torch.cat([x_about, weight * torch.eye(x.shape[1], dtype=torch.float64)]).numpy()
    right = torch.cat([y_about, weight * start]).numpy()
    filters = np.linalg.lstsq(left, right, rcond=None)[0]
    return filters, means[1].numpy() - means[0].numpy() @ filters


@pytest.mark.parametrize("with_constant", [True, False])
def test_filters_are_those_of_least_squares(with_constant: bool) -> None:
    x, y, start = (
        drawn(GROUPS, ROWS, COLUMNS) + 1,
        drawn(GROUPS, ROWS, RESULTS, seed=1),
        drawn(GROUPS, COLUMNS, RESULTS),
    )
    filters, constants = refit(sums_over(x, y), start, ridge=RIDGE, with_constant=with_constant)
    for group in range(GROUPS):
        wanted, constant = by_numpy(x[group], y[group], start[group], with_constant=with_constant)
        assert np.allclose(filters[group].numpy(), wanted)
        assert np.allclose(constants[group].numpy(), constant, atol=1e-12)


def test_sums_of_moments_are_sums_over_rows() -> None:
    x, filters = drawn(GROUPS, ROWS, COLUMNS) + 1, drawn(GROUPS, COLUMNS, RESULTS)
    kept = torch.tensor([[0, 2, 5], [1, 2, 3]])
    moments = Moments(count=ROWS, total=x.sum(1), gram=x.transpose(1, 2) @ x)
    found = sums_of(moments, filters).left(kept)
    left = torch.stack([x[group][:, kept[group]] for group in range(GROUPS)])
    wanted = sums_over(left, x @ filters)
    for name, value in vars(wanted).items():
        assert torch.allclose(torch.as_tensor(getattr(found, name)), torch.as_tensor(value)), name


def test_sums_over_two_blocks_are_those_over_all_rows() -> None:
    x, y = drawn(GROUPS, ROWS, COLUMNS), drawn(GROUPS, ROWS, RESULTS, seed=1)
    found, wanted = sums_over(x[:, :20], y[:, :20]) + sums_over(x[:, 20:], y[:, 20:]), sums_over(x, y)
    assert all(torch.allclose(torch.as_tensor(vars(found)[n]), torch.as_tensor(v)) for n, v in vars(wanted).items())


def test_results_get_the_spread_that_is_wanted_but_are_never_shrunk() -> None:
    x, noise = drawn(1, 4000, 3), drawn(1, 4000, 3, seed=1)
    y = x * torch.tensor([1.0, 1.0, 0.05]) + noise * torch.tensor([0.0, 1.0, 1.0])  # known, half of it, hardly any
    start = torch.zeros(1, 3, 3, dtype=torch.float64)
    plain, _ = refit(sums_over(x, y), start, ridge=1e-9, with_constant=True)
    found, constants = refit(sums_over(x, y), start, ridge=1e-9, with_constant=True, restores_spread=True)
    ratio = (found / plain).amax(1)[0]
    wanted = y[0].std(0) / (x[0] @ plain[0]).std(0)
    assert torch.allclose(ratio, wanted.clamp(1.0, LARGEST_SCALE))
    assert wanted[1] > 1.3
    assert wanted[2] > ratio[2] == LARGEST_SCALE
    assert torch.allclose((x @ found).mean(1) + constants, y.mean(1))
    wide, _ = refit(
        sums_over(x, y), 10 * torch.eye(3).double()[None], ridge=1e9, with_constant=True, restores_spread=True
    )
    assert torch.allclose(wide, 10 * torch.eye(3).double()[None])


def test_of_inputs_that_never_fire_nothing_is_learnt() -> None:
    x, start = torch.zeros(1, ROWS, COLUMNS, dtype=torch.float64), drawn(1, COLUMNS, RESULTS)
    y = drawn(1, ROWS, RESULTS, seed=1)
    filters, constants = refit(sums_over(x, y), start, ridge=RIDGE, with_constant=True, restores_spread=True)
    assert torch.allclose(filters, start)
    assert torch.allclose(constants, y.mean(1))
