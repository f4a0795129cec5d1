"""Where the values of hyperparameters come from, and which are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.errors import SpecError
from primesvt_core.families import FAMILIES
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import inspect
from primesvt_core.types import TensorSpec
from tests.support.checkpoints import golden, saved
from tests.support.shared import needs_shared

pytestmark = needs_shared


def test_heads_that_nobody_knows_divide_the_widths() -> None:
    for key in ("sdtv2", "sdtv3"):
        for widths, heads in (((256, 360), 8), ((60, 90), 2), ((36, 20), 4), ((96,), 8), ((75, 15), 1)):
            shapes = {
                f"downsample{3 + level}.encode_conv.weight": TensorSpec(
                    shape=(width, 8, 3, 3), dtype="float32", itemsize=4
                )
                for level, width in enumerate(widths)
            }
            assert FAMILIES.load(key).hyperparameters["num_heads"].default("any", shapes) == heads


def test_heads_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    path = saved(golden("spikingformer-cifar-T2"), tmp_path)
    assert inspect(path, {"num_heads": 4}).config.model_dump()["num_heads"] == 4
    with pytest.raises(Exception, match="num_heads 5 does not divide"):
        inspect(path, {"num_heads": 5})


@pytest.mark.parametrize(("classes", "heads"), [(10, 12), (100, 8)])
def test_spikingformer_has_the_heads_of_its_data_set(classes: int, heads: int) -> None:
    shapes = {"head.weight": TensorSpec(shape=(classes, 384), dtype="float32", itemsize=4)}
    assert FAMILIES.load("spikingformer").hyperparameters["num_heads"].default("cifar", shapes) == heads


@pytest.mark.parametrize(
    ("variant", "classes", "size"),
    [("gesture", 11, 64), ("cifar", 10, 32), ("imagenet", 1000, 224), *(("imagenet", k, 128) for k in (10, 100, 11))],
)
def test_spikingresformer_runs_at_the_size_of_the_public_code(variant: str, classes: int, size: int) -> None:
    shapes = {"classifier.weight": TensorSpec(shape=(classes, 192), dtype="float32", itemsize=4)}
    assert FAMILIES.load("spikingresformer").hyperparameters["image_size"].default(variant, shapes) == size


@pytest.mark.parametrize(
    ("name", "expected", "value"),
    [
        ("sdtv1-cifar-T2", {"pooling_stat": 1111}, "1111"),
        ("sdtv1-cifar-T2", {"pooling_stat": "0011"}, "0011"),
        ("sdtv1-cifar-T2", {"dvs_mode": True}, True),
        ("spikformer-cifar-T2", {"num_heads": "04"}, 4),
        ("spikformer-cifar-T2", {"num_heads": 4.0}, 4),
    ],
)
def test_numbers_and_texts_of_the_caller_are_what_the_field_is(
    name: str, expected: dict[str, Value], value: Value, tmp_path: Path
) -> None:
    path = saved(golden(name), tmp_path)
    [field] = expected
    assert {a.field: a.value for a in inspect(path, expected).assumptions}[field] == value
    torch.save({"model": golden(name), "args": expected}, tmp_path / "m.pth")
    assert {a.field: a.value for a in inspect(tmp_path / "m.pth").assumptions}[field] == value


@pytest.mark.parametrize("expected", [{"time_steps": True}, {"num_heads": False}, {"image_size": True}])
def test_a_flag_of_the_caller_is_no_number(expected: dict[str, Value], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=f"{next(iter(expected))} .* is a flag"):
        inspect(saved(golden("spikformer-cifar-T2"), tmp_path), expected)


@pytest.mark.parametrize("expected", [4, [4]])
def test_arguments_that_the_public_code_ignores_are_not_believed(expected: object, tmp_path: Path) -> None:
    """QKFormer's CIFAR models have 8 heads, whatever they are asked for."""
    torch.save({"model": golden("qkformer-cifar-T2"), "args": {"num_heads": expected}}, tmp_path / "m.pth")
    found = {a.field: (a.value, a.source) for a in inspect(tmp_path / "m.pth").assumptions}
    assert found["num_heads"] == (8, "default")
    assert inspect(tmp_path / "m.pth", {"num_heads": 4}).config.model_dump()["num_heads"] == 4


@pytest.mark.parametrize(
    ("args", "field", "value", "source"),
    [
        ({"img_size": None, "input_size": [3, 64, 64]}, "image_size", 64, "checkpoint"),
        ({"img_size": (64, 64)}, "image_size", 64, "checkpoint"),
        ({"img_size": [64, 96]}, "image_size", 224, "default"),
        ({"num_heads": [4, 4, 4]}, "num_heads", 4, "checkpoint"),
        ({"num_heads": [2, 4, 4]}, "num_heads", 8, "default"),
        ({"num_heads": []}, "num_heads", 8, "default"),
        ({"num_heads": None, "heads": 4}, "num_heads", 4, "checkpoint"),
        ({"num_heads": np.int64(4)}, "num_heads", 4, "checkpoint"),
        ({"num_heads": [np.int32(4), np.uint8(4)]}, "num_heads", 4, "checkpoint"),
        ({"T": np.float32(2.0)}, "time_steps", 2, "checkpoint"),
        ({"T": np.float16(2.0)}, "time_steps", 2, "checkpoint"),
        ({"T": "2"}, "time_steps", 2, "checkpoint"),
        ({"T": True}, "time_steps", 4, "default"),
        ({"T": np.bool_(True)}, "time_steps", 4, "default"),
        ({"time_step": False, "T": 2}, "time_steps", 2, "checkpoint"),
    ],
)
def test_what_arguments_say_is_understood(
    args: dict[str, object], field: str, value: int, source: str, tmp_path: Path
) -> None:
    torch.save({"model": golden("spikformer-imagenet-T2"), "args": args}, tmp_path / "m.pth")
    found = {a.field: (a.value, a.source) for a in inspect(tmp_path / "m.pth").assumptions}
    assert found[field] == (value, source)
    assert type(found[field][0]) is int
