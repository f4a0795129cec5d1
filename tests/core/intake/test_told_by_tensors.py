"""Fields that tensors determine: what a caller assumes of them is taken where it agrees, and refused otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from primesvt_core.errors import SpecError
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import Inspection, inspect
from tests.support.checkpoints import golden, saved
from tests.support.shared import needs_shared


def source(found: Inspection, field: str) -> tuple[object, str]:
    return next((each.value, each.source) for each in found.assumptions if each.field == field)


@needs_shared
@pytest.mark.parametrize(("tokens", "size", "told"), [(64, 128, "tensors"), (16, 64, "tensors"), (10, 128, "default")])
def test_the_position_embedding_of_spikformer_for_events_tells_the_image_size(
    tokens: int, size: int, told: str, tmp_path: Path
) -> None:
    """A token for every 16 x 16 pixels; what is no square tells nothing."""
    state = golden("spikformer-dvs-T2")
    path = saved(state | {"pos_embed": torch.zeros(1, tokens, state["pos_embed"].shape[2])}, tmp_path)
    assert source(inspect(path), "image_size") == (size, told)
    assert source(inspect(path, {"image_size": size}), "image_size")[0] == size
    if told == "tensors":
        with pytest.raises(
            SpecError, match=f"image_size is assumed to be 96, but the tensors .* say image_size={size}"
        ):
            inspect(path, {"image_size": 96})
    else:
        assert source(inspect(path, {"image_size": 96}), "image_size") == (96, "caller")


@needs_shared
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("sdtv1-cifar-T2", {"num_heads": 4}, {"num_heads": 8}),
        ("sdtv1-cifar-T2", {"num_heads": "4"}, {"num_heads": True}),
        ("sdtv1-cifar-T2", {"num_classes": 10}, {"num_classes": 100}),
        ("sdtv1-cifar-T2", {"neuron": "lif"}, {"neuron": "plif"}),
        ("spikingresformer-cifar-T2", {"num_heads": "1,3,4"}, {"num_heads": 4}),
        ("sdtv3-base", {"time_steps": 1}, {"time_steps": 4}),
        ("spikformer-cifar-T2", {"variant": "cifar"}, {"variant": "imagenet"}),
        ("spikingformer-cifar-T2", {"downsampling": "sped"}, {"downsampling": "cml_cifar"}),
    ],
)
def test_what_tensors_determine_may_be_said_but_not_contradicted(
    name: str, right: dict[str, Value], wrong: dict[str, Value], tmp_path: Path
) -> None:
    path = saved(golden(name), tmp_path)
    assert inspect(path, right).config == inspect(path).config
    [field] = wrong
    with pytest.raises(SpecError, match=f"{field} is assumed to be {wrong[field]}, but the tensors"):
        inspect(path, wrong)


def test_the_mixer_of_blocks_with_weights_is_told(tmp_path: Path) -> None:
    path = saved(golden("maxformer-imagenet-T4"), tmp_path)
    assert source(inspect(path), "mixer") == ("identity", "tensors")
    with pytest.raises(SpecError, match="mixer is assumed to be max"):
        inspect(path, {"mixer": "max"})
    path = saved(golden("maxformer-cifar-T4"), tmp_path)
    assert source(inspect(path), "mixer") == ("identity", "default")
    assert source(inspect(path, {"mixer": "max"}), "mixer") == ("max", "caller")
    with pytest.raises(SpecError, match="mixer"):
        inspect(path, {"mixer": "median"})


def test_a_field_that_no_config_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="has no depth to assume"):
        inspect(saved(golden("maxformer-cifar-T4"), tmp_path), {"depth": 4})
