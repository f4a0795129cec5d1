"""A data set as a model sees it: what its values mean, and what is said where it is not as the model was made for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from primesvt_client.spec_types import ValueRange
from primesvt_core.errors import DataError
from primesvt_core.evaluation.splits import SplitImages, open_splits
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.provenance import Provenance
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from tests.core.evaluation.test_evaluate import images
from tests.support import tiny

SIDE = tiny.CONFIG.image_size
BYTES, LABELS = tiny.images(24)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pth"
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, path)
    return path


def opened(
    checkpoint: Path, pixels: NDArray[np.generic], value_range: ValueRange | None = None, **overrides: Any
) -> SplitImages:
    data = checkpoint.with_name("set.npz")
    np.savez(data, images=pixels, labels=LABELS)
    given = PreprocessingOverrides.model_validate(overrides)
    model = inspect(checkpoint, {"image_size": SIDE})
    return open_splits(model, data, given, SplitSizes(), seed=0, batch_size=24, value_range=value_range)


def pixels(found: SplitImages) -> NDArray[np.float32]:
    [batch] = found.batches(range(24))
    return batch.images[:, 0]


def test_a_model_sees_the_same_pixels_whatever_they_were_saved_as(checkpoint: Path) -> None:
    wanted = pixels(opened(checkpoint, BYTES))
    np.testing.assert_allclose(pixels(opened(checkpoint, 2 * (BYTES / 255) - 1, (-1, 1))), wanted, atol=1e-6)
    np.testing.assert_allclose(pixels(opened(checkpoint, BYTES.astype(np.float32), (0, 255))), wanted, atol=1e-6)
    normalised = (BYTES / 255 - 0.25) / 0.5
    itself = pixels(opened(checkpoint, normalised, mean=(0.0,), std=(1.0,)))
    np.testing.assert_allclose(itself, normalised, atol=1e-6)


@pytest.mark.parametrize("overrides", [{}, {"mean": (0.0,)}, {"std": (1.0,)}])
def test_values_that_mean_several_things_are_refused(checkpoint: Path, overrides: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"set\.npz has floats from 0 to 239; .*--value-range"):
        opened(checkpoint, BYTES.astype(np.float32), **overrides)


def test_a_range_for_pictures_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    pictures = images(tmp_path / "pictures", "a", "b", "c")
    with pytest.raises(DataError, match="files state what black and white are"):
        open_splits(
            inspect(checkpoint), pictures, PreprocessingOverrides(), SplitSizes(), seed=0, batch_size=2,
            value_range=(0, 1),
        )  # fmt: skip


def frames(steps: int = 2, side: int = SIDE) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 4, (24, steps, 1, side, side), np.uint8)


def test_frames_of_another_size_or_number_are_not_run_without_a_word(checkpoint: Path) -> None:
    assert opened(checkpoint, frames()).data.notes == ()
    [resized] = opened(checkpoint, frames(side=SIDE + 2)).data.notes
    assert f"are {SIDE + 2} x {SIDE + 2} and were brought to {SIDE} x {SIDE}" in resized
    [steps] = opened(checkpoint, frames(steps=3)).data.notes
    assert "have 3 time steps and the model has 2: it was run for 3" in steps
    assert len(opened(checkpoint, frames(3, SIDE + 2)).data.notes) == 2


def test_frames_are_not_normalised(checkpoint: Path) -> None:
    with pytest.raises(DataError, match="counts of events are not normalised"):
        opened(checkpoint, frames(), mean=(0.5,), std=(0.5,))


def test_a_pruned_model_keeps_the_range_of_its_own_data_set(checkpoint: Path) -> None:
    centred = 2 * (BYTES / 255) - 1
    confirmed = opened(checkpoint, centred, (-1, 1))
    provenance = Provenance(
        family="spikformer", config=tiny.CONFIG.model_dump(mode="json"), splits=SplitSizes(), seed=0,
        data_fingerprint=confirmed.data.fingerprint(), preprocessing=PreprocessingOverrides(), batch_size=1,
        value_range=(-1, 1), plan={},
    )  # fmt: skip
    pruned = replace(inspect(checkpoint, {"image_size": SIDE}), provenance=provenance)

    def again(path: Path) -> SplitImages:
        return open_splits(pruned, path, PreprocessingOverrides(), SplitSizes(), seed=0, batch_size=24)

    assert again(checkpoint.with_name("set.npz")).data.fingerprint() == confirmed.data.fingerprint()
    np.savez(checkpoint.with_name("other.npz"), images=0.9 * centred, labels=LABELS)
    with pytest.raises(DataError, match=r"other\.npz has floats from -0\.9 to"):
        again(checkpoint.with_name("other.npz"))
    np.savez(checkpoint.with_name("bytes.npz"), images=BYTES, labels=LABELS)
    np.testing.assert_allclose(pixels(again(checkpoint.with_name("bytes.npz"))), pixels(confirmed), atol=1e-6)
