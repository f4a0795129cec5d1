"""What compares an export with its model sees what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from primesvt_core.errors import ExportError
from primesvt_core.exporters import Export
from primesvt_core.exporters._base import Array
from primesvt_core.exporters._comparing import Run, compare_logits
from primesvt_core.exporters._loaded import load_model
from primesvt_core.testing.models import tiny
from tests.support.exports import GivenImages, saved


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    model = tiny()
    path = saved(model, tmp_path_factory.mktemp("model") / "model.safetensors")
    x = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return Export(model=load_model(path), images=GivenImages(x))


def runs(export: Export, dtype: torch.dtype = torch.float32) -> Run:
    network = export.model.build().to(dtype)

    def run(x: Array) -> Array:
        with torch.inference_mode():
            found: Array = network(torch.from_numpy(x)).numpy()
        return found

    return run


def test_the_model_itself_differs_in_nothing(export: Export) -> None:
    check = compare_logits(export, runs(export), compared="it with itself")
    assert (check.images, check.max_difference, check.different, check.otherwise) == (40, 0.0, 0, 0)
    assert (check.accuracy, check.double_difference) == (None, None)


def test_another_model_is_refused(export: Export) -> None:
    run = runs(export)
    with pytest.raises(ExportError, match=r"differ from the model's by up to 0\.5 on 40 of 40 images"):
        compare_logits(export, lambda x: run(x) + np.float32(0.5), compared="x")


def test_a_flipped_spike_is_decided_in_double_precision(export: Export) -> None:
    """One image's logits are far off in single precision: what counts is what both compute in double."""
    run, exact = runs(export), runs(export, torch.float64)
    odd = export.images.first(3)[2]

    def flips(x: Array) -> Array:
        logits = run(x).copy()
        logits[[np.array_equal(image, odd) for image in x]] += 0.01
        return logits

    check = compare_logits(export, flips, compared="x", exactly=lambda: exact)
    assert check.different == 1
    assert check.max_difference == pytest.approx(0.01, rel=1e-3)
    assert check.double_difference is not None
    assert check.double_difference <= 1e-9
    assert "on 1 of 40 images rounding flips a spike" in check.notes[0]
    with pytest.raises(ExportError, match=r"in double precision by 0\.01"):
        compare_logits(export, flips, compared="x", exactly=lambda: lambda x: exact(x) + 0.01)


def test_too_many_flips_on_real_images_are_refused(export: Export) -> None:
    run, exact = runs(export), runs(export, torch.float64)
    real = replace(export, images=GivenImages(export.images.x, source="data", name="digits"))  # type: ignore[attr-defined]
    limit = 2  # 5 % of 40

    def flipping(count: int) -> Run:
        odd = real.images.first(count + 10)[10:]  # behind those that are run alone
        return lambda x: run(x) + np.float32(0.01) * np.array([[any((o == i).all() for o in odd)] for i in x])

    assert compare_logits(real, flipping(limit), compared="x", exactly=lambda: exact).different == limit
    with pytest.raises(ExportError, match=r"on 40 images of digits the logits of 3 differ by more than 0\.0001"):
        compare_logits(real, flipping(limit + 1), compared="x", exactly=lambda: exact)


def test_what_keeps_a_state_is_refused(export: Export) -> None:
    run, calls = runs(export), 0

    def remembers(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return run(x) + np.float32(1e-6 * calls)

    with pytest.raises(ExportError, match="keeps a state between runs"):
        compare_logits(export, remembers, compared="x")


def test_what_depends_on_its_batch_is_refused(export: Export) -> None:
    run = runs(export)
    with pytest.raises(ExportError, match="differ from the model's"):
        compare_logits(export, lambda x: run(x) + np.float32(len(x) == 1), compared="x")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(export: Export, value: float) -> None:
    run = runs(export)
    with pytest.raises(ExportError, match="differ from the model's by up to inf"):
        compare_logits(export, lambda x: run(x) * np.float32(value), compared="x")
