"""What a file is taken for: never for something that computes other numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.errors import CheckpointMismatch, PrimeSVTError, SpecError, UnknownFamily
from primesvt_core.families._base import Value
from primesvt_core.intake.identification import load_family
from primesvt_core.intake.inspect import identify, inspect
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.spec import PreprocessingOverrides
from primesvt_core.types import Shapes, TensorSpec
from tests.support.goldens import FAMILIES, GOLDEN, load_golden
from tests.support.references import references
from tests.support.shared import needs_shared

pytestmark = needs_shared
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"state_dict": state}, folder / "model.pth")
    return folder / "model.pth"


def golden(name: str) -> dict[str, Tensor]:
    return dict(load_golden(GOLDEN / f"{name}.safetensors").state)


@pytest.mark.parametrize(
    ("name", "extra", "told"),
    [
        ("sdtv3-base", "block3.0.attn.q_spike.threshold", "stores thresholds"),
        ("sdtv3-base", "block3.0.attn.qe_conv.weight", "stores thresholds"),
        ("sdtv3-large-kd", "block3.0.rep_conv.conv1.0.weight", "does not run"),
    ],
)
def test_forks_are_refused_by_name(name: str, extra: str, told: str, tmp_path: Path) -> None:
    path = saved(golden(name) | {extra: torch.ones(1)}, tmp_path)
    with pytest.raises(UnknownFamily, match=told):
        inspect(path)


def test_a_stranger_is_told_the_nearest_family(tmp_path: Path) -> None:
    state = golden("spikformer-cifar-T2")
    state = {name.replace("attn.q_linear", "attn.query"): value for name, value in state.items()}
    with pytest.raises(UnknownFamily, match=r"nearest is Spikformer.*block\.0\.attn\.q_linear\.weight is missing"):
        inspect(saved(state, tmp_path))


def test_what_is_missing_too_much_or_misshapen_is_named(tmp_path: Path) -> None:
    state = golden("qkformer-cifar-T2")
    del state["stage3.0.ssa.proj_conv.bias"]
    state["stage3.0.ssa.surplus"] = torch.ones(1)
    state["stage1.0.tssa.k_bn.weight"] = torch.ones(3)
    with pytest.raises(CheckpointMismatch) as refusal:
        inspect(saved(state, tmp_path))
    for name in ("stage3.0.ssa.proj_conv.bias", "stage3.0.ssa.surplus", "stage1.0.tssa.k_bn.weight"):
        assert name in refusal.value.message


def test_heads_that_nobody_knows_divide_the_widths() -> None:
    for key in ("sdtv2", "sdtv3"):
        for widths, heads in (((256, 360), 8), ((60, 90), 2), ((36, 20), 4), ((96,), 8), ((75, 15), 1)):
            shapes = {
                f"downsample{3 + level}.encode_conv.weight": TensorSpec(
                    shape=(width, 8, 3, 3), dtype="float32", itemsize=4
                )
                for level, width in enumerate(widths)
            }
            assert load_family(key).asked["num_heads"].default("any", shapes) == heads


def test_heads_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    path = saved(golden("spikingformer-cifar-T2"), tmp_path)
    assert inspect(path, {"num_heads": 4}).config.model_dump()["num_heads"] == 4
    with pytest.raises(Exception, match="num_heads 5 does not divide"):
        inspect(path, {"num_heads": 5})


@pytest.mark.parametrize(("classes", "heads"), [(10, 12), (100, 8)])
def test_spikingformer_has_the_heads_of_its_data_set(classes: int, heads: int) -> None:
    shapes = {"head.weight": TensorSpec(shape=(classes, 384), dtype="float32", itemsize=4)}
    assert load_family("spikingformer").asked["num_heads"].default("cifar", shapes) == heads


@pytest.mark.parametrize(
    ("variant", "classes", "size"),
    [("gesture", 11, 64), ("cifar", 10, 32), ("imagenet", 1000, 224), *(("imagenet", k, 128) for k in (10, 100, 11))],
)
def test_spikingresformer_runs_at_the_size_of_the_public_code(variant: str, classes: int, size: int) -> None:
    shapes = {"classifier.weight": TensorSpec(shape=(classes, 192), dtype="float32", itemsize=4)}
    assert load_family("spikingresformer").asked["image_size"].default(variant, shapes) == size


@pytest.mark.parametrize(
    ("classes", "size", "mean"), [(10, 128, 0.4914), (100, 128, 129.3 / 255), (100, 224, 0.485), (11, 128, None)]
)
def test_a_transferred_spikingresformer_is_shown_images_as_its_data_set_s_models(
    classes: int, size: int, mean: float | None
) -> None:
    record = load_golden(GOLDEN / "spikingresformer-imagenet-T2.safetensors")
    config = record.config.model_copy(update={"num_classes": classes, "image_size": size})
    found = record.family.preprocessing(config)
    assert (found.mean and found.mean[0]) == mean
    assert found.resize == (size if size == 128 else 235)


HEADLESS = ("qkformer-imagenet-T2", "sdtv1-cifar-T2", "spikingformer-cifar-T2", "spikformer-imagenet-T2")


@pytest.mark.parametrize("name", HEADLESS)
def test_a_model_without_its_head_is_told_what_is_missing(name: str, tmp_path: Path) -> None:
    state = {tensor: value for tensor, value in golden(name).items() if not tensor.startswith("head.")}
    with pytest.raises(CheckpointMismatch, match=r"m.*head\.weight.* missing"):
        inspect(saved(state, tmp_path))


class Watched(dict[str, TensorSpec]):
    """Shapes that remember which were asked for."""

    def __init__(self, shapes: Mapping[str, TensorSpec]) -> None:
        super().__init__(shapes)
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> TensorSpec:
        self.asked.append(name)
        return super().__getitem__(name)


def holding(shapes: Mapping[str, TensorSpec]) -> Checkpoint:
    """A file with such tensors, as it is read."""
    return Checkpoint(
        path=Path("m.pth"), format="torch_zip", container="", containers=("",), tensors=shapes, args={}, metadata={},
        notes=(), sha256="", located={},
    )  # fmt: skip


def damaged(shapes: Mapping[str, TensorSpec], names: Iterable[str]) -> Iterator[dict[str, TensorSpec]]:
    """Without one of the tensors, or with another shape of it: the ways in turn, as building each model takes long."""
    for number, name in enumerate(names):
        sides = shapes[name].shape
        shape = ((), None, (5,), (0,) * len(sides))[number % 4]
        others = {other: spec for other, spec in shapes.items() if other != name}
        yield others if shape is None else {**others, name: replace(shapes[name], shape=shape)}


@cache
def smallest(family: str) -> Shapes:
    """Of the family's reference models, those of the one with the fewest tensors."""
    return min((model.shapes() for model in references(family)), key=len)


@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_a_tensor_lacks_there_is_no_other_error(family: str) -> None:
    shapes = Watched(smallest(family))
    identify(holding(shapes), {})
    first = [name for name in dict.fromkeys(shapes.asked) if not re.search(r"\.[1-9]", name)]
    for changed in damaged(shapes, first):
        with suppress(PrimeSVTError):
            identify(holding(changed), {})
    strange = TensorSpec(shape=(4, 4), dtype="float32", itemsize=4)
    for extra in {f"{name.split('.')[0]}.{rest}" for name in shapes for rest in ("x.w", "9.w", "0.x.w")} - {*shapes}:
        with pytest.raises(PrimeSVTError):
            identify(holding({**shapes, extra: strange}), {})


@pytest.mark.parametrize("key", FAMILIES)
def test_what_tells_a_family_or_its_defaults_may_be_gone_or_misshapen(key: str) -> None:
    shapes = Watched(smallest(key))
    family = identify(holding(shapes), {}).family
    shapes.asked.clear()
    variant = family.recognise(shapes)
    assert variant is not None
    for asked in family.asked.values():
        asked.default(variant, shapes)
    for name in dict.fromkeys(shapes.asked):
        for changed in (replace(shapes[name], shape=()), replace(shapes[name], shape=(0,) * 4), None):
            others = {other: spec for other, spec in shapes.items() if other != name}
            with pytest.raises(PrimeSVTError):
                identify(holding(others if changed is None else {**others, name: changed}), {})


def test_a_family_that_stumbles_over_a_strangers_file_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(shapes: Shapes) -> str | None:
        return str(shapes["nothing"])

    families = {key: load_family(key) for key in ("sdtv1", "spikformer")}
    families["sdtv1"] = replace(families["sdtv1"], recognise=stumbles)
    monkeypatch.setattr("primesvt_core.intake.identification.all_families", lambda: iter(families.items()))
    state = golden("spikformer-cifar-T2")
    assert identify(holding(shapes_of(state)), {}).family_key == "spikformer"
    with pytest.raises(CheckpointMismatch, match=r"looks like Spike-driven Transformer, but the tensor 'nothing'"):
        identify(holding({}), {})


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({}, {}),
        ({"mean": [0.4, 0.5, 0.6], "std": (0.2, 0.3, 1)}, {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 1.0)}),
        ({"mean": [np.float64(0.4)] * 3}, {"mean": (0.4, 0.4, 0.4)}),
        ({"mean": [0.4, 0.5], "std": [0.2], "crop_pct": 0, "interpolation": ""}, {}),
        ({"mean": [0.4, math.nan, 0.5], "std": [0.2, 0.2, 0.0], "crop_pct": 1.1, "interpolation": "random"}, {}),
        ({"mean": [True] * 3, "std": ["1"] * 3, "crop_pct": True, "interpolation": 3}, {}),
        ({"mean": None, "std": 0.5, "crop_pct": None, "interpolation": None}, {}),
        ({"crop_pct": 5e-324}, {}),
        ({"crop_pct": math.nan}, {}),
        ({"crop_pct": 0.95, "interpolation": "bilinear"}, {"resize": 235, "interpolation": "bilinear"}),
        ({"crop_pct": 0.875, "img_size": 192}, {"resize": 219, "crop": 192}),
        ({"mean": [0.485, 0.456, 0.406], "crop_pct": 1.0, "interpolation": "bicubic"}, {}),
    ],
)
def test_the_preprocessing_of_the_training_script_is_the_checkpoint_s(
    args: dict[str, object], told: dict[str, object], tmp_path: Path
) -> None:
    torch.save({"model": golden("spikformer-imagenet-T2"), "args": args}, tmp_path / "m.pth")
    found = inspect(tmp_path / "m.pth")
    usual = {"resize": 224, "crop": 224, "interpolation": "bicubic"} | {"mean": IMAGENET[0], "std": IMAGENET[1]}
    assert found.preprocessing.model_dump() == {**usual, **told}
    [*notes] = [note for note in found.notes if note.startswith("preprocessing from the checkpoint: ")]
    differs = {name for name, value in told.items() if name != "crop"}
    assert {name for note in notes for name in differs if f"{name}=" in note} == differs
    assert bool(notes) == bool(differs)
    assert notes == [note for note in found.to_json()["notes"] if note in notes]  # type: ignore[union-attr]
    asked = PreprocessingOverrides(mean=(0.5, 0.5, 0.5))
    assert found.preprocessing.overridden(asked).mean == (0.5, 0.5, 0.5)


def test_event_frames_are_not_normalised_whatever_a_training_script_says(tmp_path: Path) -> None:
    args = {"mean": [0.4, 0.4], "std": [0.2, 0.2, 0.2], "crop_pct": 0.5}
    torch.save({"model": golden("spikformer-dvs-T2"), "args": args}, tmp_path / "m.pth")
    found = inspect(tmp_path / "m.pth")
    assert found.preprocessing == found.family.preprocessing(found.config)


@pytest.mark.parametrize(
    ("name", "told", "value"),
    [
        ("sdtv1-cifar-T2", {"pooling_stat": 1111}, "1111"),
        ("sdtv1-cifar-T2", {"pooling_stat": "0011"}, "0011"),
        ("sdtv1-cifar-T2", {"dvs_mode": True}, True),
        ("spikformer-cifar-T2", {"num_heads": "04"}, 4),
        ("spikformer-cifar-T2", {"num_heads": 4.0}, 4),
    ],
)
def test_numbers_and_texts_of_the_caller_are_what_the_field_is(
    name: str, told: dict[str, Value], value: Value, tmp_path: Path
) -> None:
    path = saved(golden(name), tmp_path)
    [field] = told
    assert {a.field: a.value for a in inspect(path, told).assumptions}[field] == value
    torch.save({"model": golden(name), "args": told}, tmp_path / "m.pth")
    assert {a.field: a.value for a in inspect(tmp_path / "m.pth").assumptions}[field] == value


@pytest.mark.parametrize("told", [{"time_steps": True}, {"num_heads": False}, {"image_size": True}])
def test_a_flag_of_the_caller_is_no_number(told: dict[str, Value], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=f"{next(iter(told))} .* is a flag"):
        inspect(saved(golden("spikformer-cifar-T2"), tmp_path), told)


@pytest.mark.parametrize("told", [4, [4]])
def test_arguments_that_the_public_code_ignores_are_not_believed(told: object, tmp_path: Path) -> None:
    """QKFormer's CIFAR models have 8 heads, whatever they are asked for."""
    torch.save({"model": golden("qkformer-cifar-T2"), "args": {"num_heads": told}}, tmp_path / "m.pth")
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
