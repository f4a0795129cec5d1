"""A file of stored weights has the size that was promised, and is believed only where its tensors agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import primesvt_core
from primesvt_core.checkpoints import CheckpointRefused, load_arrays, read
from primesvt_core.checkpoints.precisions import PRECISIONS
from primesvt_core.checkpoints.stored_weights import KEY, SCALES
from primesvt_core.errors import CheckpointError
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build
from primesvt_core.method.storing import StoredState, stored, stored_bytes
from primesvt_core.pruning.surgery import prune
from primesvt_core.testing.models import FamilyModel, save_pruned, tiny

SMALL = {
    "a.weight": torch.tensor([[1.5, -2.0, 0.5], [0.0, 0.0, 0.0]]),
    "a.bias": torch.tensor([0.1, 0.2]),
    "bn.weight": torch.tensor([0.3, 0.4]),
    "bn.num_batches_tracked": torch.tensor(5),
}


def small(precision: str = "int8") -> StoredState:
    return stored(SMALL, precision)


def write(path: Path, tensors: dict[str, Tensor], said: object) -> Path:
    save_file(tensors, path, {KEY: said if isinstance(said, str) else json.dumps(said)})
    return path


def test_the_file_holds_small_values_and_their_scales(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", dict(small().written), {"precision": "int8", "version": 1})
    with safe_open(path, "np") as file:
        values, scales = file.get_tensor("a.weight"), file.get_tensor("a.weight" + SCALES)
        assert file.metadata() == {**small().metadata}
        assert file.get_tensor("a.bias").dtype == np.float32
    assert values.tolist() == [[95, -127, 32], [0, 0, 0]]
    assert scales.tolist() == [np.float32(2 / 127), 0.0]
    checkpoint = read(path)
    assert checkpoint.weights == "int8"
    assert checkpoint.tensors.keys() == SMALL.keys()
    assert {spec.dtype for name, spec in checkpoint.tensors.items() if name != "bn.num_batches_tracked"} == {"float32"}
    assert "the weights are stored as int8, with scales" in checkpoint.notes
    arrays = load_arrays(checkpoint)
    assert all(np.array_equal(arrays[name], tensor.numpy()) for name, tensor in small().state.items())


@pytest.mark.parametrize(("precision", "weights"), [("float32", 4 * 6), ("float16", 2 * 6), ("int8", 6 + 4 * 2)])
def test_the_file_has_the_size_that_the_precision_says(precision: str, weights: int, tmp_path: Path) -> None:
    kept = small(precision)
    path = tmp_path / "a.safetensors"
    save_file(dict(kept.written), path, dict(kept.metadata))
    header = int.from_bytes(path.read_bytes()[:8], "little")
    assert path.stat().st_size == 8 + header + weights + 2 * 4 + 2 * 4 + 8
    assert stored_bytes(kept.written, frozenset({"bn.weight"})) == weights + 2 * 4 + 8
    assert stored_bytes(kept.written, frozenset({"a.weight"})) == 2 * 4 + 2 * 4 + 8


SAID = {"precision": "int8", "version": 1}
INT8 = dict(small().written)
SCALE = "a.weight" + SCALES


@pytest.mark.parametrize(
    ("tensors", "said", "why"),
    [
        (INT8, {"precision": "int4", "version": 1}, "int4, version 1, which this version of PrimeSVT does not read"),
        (INT8, {"precision": "int8", "version": 2}, "int8, version 2, which this version of PrimeSVT does not read"),
        (INT8, {"precision": "int8", "version": True}, "version True"),
        (INT8, {"precision": ["int8"], "version": 1}, "which this version of PrimeSVT does not read"),
        (INT8, {"precision": "int8"}, "is damaged"),
        (INT8, {**SAID, "more": 1}, "is damaged"),
        (INT8, "[" * 5000, "is damaged"),
        (INT8, "null", "is damaged"),
        (INT8, {"precision": "float16", "version": 1}, "a.weight has the dtype int8"),
        (INT8, {"precision": "float32", "version": 1}, "a.weight has the dtype int8"),
        (SMALL, SAID, "int8, but a.weight is float32"),
        (SMALL, {"precision": "float16", "version": 1}, "float16, but a.weight is float32"),
        (dict(small("float16").written), SAID, "int8, but a.weight is float16"),
        ({n: x for n, x in INT8.items() if n != SCALE}, SAID, "a.weight has no scale for each of its 2"),
        ({n: x for n, x in INT8.items() if n != "a.weight"}, SAID, "it has no weights"),
        ({**INT8, SCALE: torch.ones(3)}, SAID, "a.weight has no scale for each of its 2"),
        ({**INT8, SCALE: torch.ones(2, 1)}, SAID, "a.weight has no scale for each of its 2"),
        ({**INT8, SCALE: torch.ones(2).half()}, SAID, "a.weight has no scale for each of its 2"),
        ({**INT8, SCALE: torch.tensor([1.0, -1.0])}, SAID, "a scale of a.weight is negative"),
        ({**INT8, SCALE: torch.tensor([1.0, torch.nan])}, SAID, "holds NaN"),
        ({**INT8, "b.weight": torch.ones(2, 2)}, SAID, "int8, but b.weight is float32"),
        ({**INT8, "bn.weight": torch.ones(2).char()}, SAID, "bn.weight is int8, and no weight"),
        ({**INT8, "bn.weight" + SCALES: torch.ones(2)}, SAID, "bn.weight.primesvt_scale is the scale of no weight"),
        (
            {**small("float16").written, SCALE: torch.ones(2)},
            {"precision": "float16", "version": 1},
            "is the scale of no weight",
        ),
    ],
)
def test_metadata_that_the_tensors_contradict_are_refused(
    tensors: dict[str, Tensor], said: Any, why: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointRefused) as refusal:
        read(write(tmp_path / "a.safetensors", dict(tensors), said))
    assert why in refusal.value.message


def test_a_scale_that_no_weight_has_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {**INT8, SCALE: torch.full((2,), 3e38)}, SAID)
    with pytest.raises(CheckpointRefused, match="read back as NaN or infinite"), np.errstate(over="ignore"):
        load_arrays(read(path))


def test_without_its_metadata_such_a_file_is_no_checkpoint(tmp_path: Path) -> None:
    """As for a reader that knows no precisions."""
    save_file(INT8, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointRefused, match=r"a\.weight has the dtype int8; weights are floating-point"):
        read(tmp_path / "a.safetensors")


@pytest.fixture(scope="module")
def model() -> FamilyModel:
    return tiny()


@pytest.mark.parametrize("precision", [*PRECISIONS])
def test_a_stored_model_is_found_out_and_gives_the_logits_that_were_confirmed(
    model: FamilyModel, precision: str, tmp_path: Path
) -> None:
    plan, path = model.plan(0.5), tmp_path / "model.safetensors"
    config, state = prune(model.family, model.config, model.state, plan)
    kept = stored(state, precision)
    save_pruned(model.key, config, kept.written, plan, path, kept.metadata)
    found = inspect(path)
    assert (found.config, found.checkpoint.weights) == (config, precision)
    assert all(spec.dtype == "float32" for name, spec in found.shapes.items() if name.endswith("weight"))
    with torch.inference_mode():
        logits = build(model.family, config, kept.state)(model.input)
        assert torch.equal(primesvt_core.load(path)(model.input), logits)
        assert torch.equal(build(model.family, config, state)(model.input), logits) is (precision == "float32")


def test_a_stored_model_that_says_another_precision_is_never_loaded(model: FamilyModel, tmp_path: Path) -> None:
    plan, path = model.plan(0.5), tmp_path / "model.safetensors"
    config, state = prune(model.family, model.config, model.state, plan)
    for precision in PRECISIONS:
        kept = stored(state, precision)
        for other in PRECISIONS.keys() - {precision}:
            save_pruned(model.key, config, kept.written, plan, path, stored(state, other).metadata)
            with pytest.raises(CheckpointError):
                primesvt_core.load(path)
