"""Weights with masks of torch.nn.utils.prune are what the module computes, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import prune

from primesvt_core.checkpoints import CheckpointRefused, load_arrays, normalise, read

State = dict[str, Tensor]


def pruned(*, wrapped: bool, dtype: torch.dtype = torch.float32) -> tuple[State, State]:
    """A state dict with masks, and that of the same modules after ``prune.remove``."""
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4)).to(dtype)
    model = nn.DataParallel(inner) if wrapped else inner
    prune.random_structured(inner[0], "weight", 0.5, dim=0)  # type: ignore[no-untyped-call]
    prune.l1_unstructured(inner[3], "weight", 0.5)  # type: ignore[no-untyped-call]
    prune.l1_unstructured(inner[3], "bias", 0.5)  # type: ignore[no-untyped-call]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for module, name in ((inner[0], "weight"), (inner[3], "weight"), (inner[3], "bias")):
        prune.remove(module, name)  # type: ignore[no-untyped-call]
    return state, inner.state_dict()


@pytest.mark.parametrize("form", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("wrapped", "dtype"),
    [(False, torch.float32), (True, torch.float64), (False, torch.bfloat16), (True, torch.float16)],
)
def test_masks_are_applied_as_the_module_does(form: str, wrapped: bool, dtype: torch.dtype, tmp_path: Path) -> None:
    state, wanted = pruned(wrapped=wrapped, dtype=dtype)
    path = tmp_path / f"model.{form}"
    if form == "pth":
        torch.save({"model": state}, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    checkpoint = read(path)
    [note] = [note for note in checkpoint.notes if "torch.nn.utils.prune" in note]
    assert all(name in note for name in ("0.weight", "3.weight", "3.bias"))
    assert load_arrays(checkpoint).keys() == checkpoint.tensors.keys() == wanted.keys()
    normalise(checkpoint, tmp_path / "normal.safetensors")
    found = load_file(tmp_path / "normal.safetensors")
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_a_weight_that_is_a_view_is_masked_too(tmp_path: Path) -> None:
    weight, mask = torch.randn(4, 6), (torch.randn(4, 6) > 0).float()
    torch.save({"fc.weight_orig": weight.T, "fc.weight_mask": mask.T, "fc.bias": weight[0]}, tmp_path / "m.pth")
    found = load_arrays(read(tmp_path / "m.pth"))["fc.weight"]
    assert torch.equal(torch.from_numpy(found.copy()), (weight * mask).T)


@pytest.mark.parametrize(
    ("changed", "code", "named"),
    [
        ({"fc.weight_mask": torch.full((4, 6), 0.5)}, "unsupported_tensor", "fc.weight_mask is no mask"),
        ({"fc.weight_mask": torch.ones(6, 4)}, "unsupported_tensor", "fc.weight_mask is no mask"),
        ({"fc.weight": torch.ones(4, 6)}, "ambiguous", "fc.weight is there"),
    ],
)
def test_what_is_no_mask_of_a_weight_is_refused(changed: State, code: str, named: str, tmp_path: Path) -> None:
    torch.save({"fc.weight_orig": torch.ones(4, 6), "fc.weight_mask": torch.ones(4, 6)} | changed, tmp_path / "m.pth")
    with pytest.raises(CheckpointRefused, match=named) as refusal:
        read(tmp_path / "m.pth")
    assert refusal.value.error_code == code
