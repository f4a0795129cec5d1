"""Least squares from sums: weights by which a layer with fewer inputs, or others, computes what it computed before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from primesvt_core.calibration import Moments

LARGEST_SCALE = 3.0
"""How much a row may be stretched to give its result the spread that it had; it is never shrunk."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over rows of what a layer sees now, and of what it should compute.

    ``G`` convolution groups of ``n`` columns and ``o`` rows of the weight each; float64.

    Attributes:
        count: rows of inputs.
        total: ``(G, n)``: of the inputs.
        gram: ``(G, n, n)``: of every input times itself.
        wanted: ``(G, o)``: of the results.
        cross: ``(G, n, o)``: of every input times the results.
        squares: ``(G, o)``: of the results' squares.
    """

    count: int
    total: Tensor
    gram: Tensor
    wanted: Tensor
    cross: Tensor
    squares: Tensor

    def left(self, kept: Tensor) -> Sums:
        """Where a layer keeps only the columns ``(G, m)``."""
        rows = kept.unsqueeze(2)
        gram = self.gram.gather(1, rows.expand(-1, -1, self.gram.shape[2]))
        return replace(
            self,
            total=self.total.gather(1, kept),
            gram=gram.gather(2, kept.unsqueeze(1).expand(-1, kept.shape[1], -1)),
            cross=self.cross.gather(1, rows.expand(-1, -1, self.cross.shape[2])),
        )

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            count=self.count + other.count,
            total=self.total + other.total,
            gram=self.gram + other.gram,
            wanted=self.wanted + other.wanted,
            cross=self.cross + other.cross,
            squares=self.squares + other.squares,
        )


def sums_of(moments: Moments, filters: Tensor) -> Sums:
    """Of a layer's inputs and of what it computes from them with its filters ``(G, fan_in, o)`` float64."""
    products = moments.gram @ filters
    return Sums(
        count=moments.count,
        total=moments.total,
        gram=moments.gram,
        wanted=(filters * moments.total.unsqueeze(2)).sum(1),
        cross=products,
        squares=(filters * products).sum(1),
    )


def sums_over(seen: Tensor, wanted: Tensor) -> Sums:
    """Of rows: inputs ``(G, rows, n)`` and results ``(G, rows, o)``; products in their precision, sums in double."""
    across = seen.transpose(1, 2)
    return Sums(
        count=seen.shape[1],
        total=seen.double().sum(1),
        gram=(across @ seen).double(),
        wanted=wanted.double().sum(1),
        cross=(across @ wanted).double(),
        squares=wanted.double().square().sum(1),
    )


def refit(
    sums: Sums, start: Tensor, *, ridge: float, with_constant: bool, restores_spread: bool = False
) -> tuple[Tensor, Tensor]:
    """Filters nearest to the wanted results, ridge towards the ones that are there.

    Args:
        sums: with the wanted results.
        start: ``(G, n, o)`` float64: filters that are there.
        ridge: in mean variances of an input.
        with_constant: whether a constant may be added to a result; without one, moments are taken about 0.
        restores_spread: whether results are stretched to the standard deviation that is wanted. Least squares shrink
            what they cannot predict, and a current that is shrunk stays below its threshold.

    Returns:
        Filters ``(G, n, o)``, and the constants ``(G, o)``, 0 without any.
    """
    about = 1.0 if with_constant else 0.0
    mean, wanted = about * sums.total / sums.count, about * sums.wanted / sums.count
    covariance = sums.gram / sums.count - mean.unsqueeze(2) * mean.unsqueeze(1)
    missing = sums.cross / sums.count - mean.unsqueeze(2) * wanted.unsqueeze(1) - covariance @ start
    filters = start + torch.cholesky_solve(missing, torch.linalg.cholesky(_ridged(covariance, ridge)))
    if restores_spread:
        found = (filters * (covariance @ filters)).sum(1)
        filters = filters * _stretch(sums.squares / sums.count - wanted.square(), found).unsqueeze(1)
    return filters, about * (wanted - (filters * mean.unsqueeze(2)).sum(1))


def _ridged(covariance: Tensor, ridge: float) -> Tensor:
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    if not diagonal.shape[1]:
        return covariance
    added = ridge * diagonal.mean(1)
    added = torch.where(added > 0, added, torch.ones_like(added))  # of inputs that never change, nothing is learnt
    return covariance + torch.diag_embed(added.unsqueeze(1).expand_as(diagonal))


def _stretch(wanted: Tensor, found: Tensor) -> Tensor:
    """``(G, o)``: by what to multiply, from variances."""
    ratio = torch.where(found > 0, wanted.clamp(min=0.0) / found, torch.ones_like(found))
    return ratio.sqrt().clamp(1.0, LARGEST_SCALE)
