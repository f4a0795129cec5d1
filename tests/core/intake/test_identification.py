"""Which family a file is of: never one that computes other numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.errors import CheckpointMismatch, PrimeSVTError, UnknownFamily
from primesvt_core.families import FAMILIES
from primesvt_core.intake.inspect import identify, inspect
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.types import Shapes, TensorSpec
from tests.support.checkpoints import golden, saved
from tests.support.goldens import FAMILY_KEYS
from tests.support.references import references
from tests.support.shared import needs_shared

pytestmark = needs_shared


@pytest.mark.parametrize(
    ("name", "extra", "expected"),
    [
        ("sdtv3-base", "block3.0.attn.q_spike.threshold", "stores thresholds"),
        ("sdtv3-base", "block3.0.attn.qe_conv.weight", "stores thresholds"),
    ],
)
def test_forks_are_refused_by_name(name: str, extra: str, expected: str, tmp_path: Path) -> None:
    path = saved(golden(name) | {extra: torch.ones(1)}, tmp_path)
    with pytest.raises(UnknownFamily, match=expected):
        inspect(path)


def test_the_nearest_family_of_an_unknown_file_is_named(tmp_path: Path) -> None:
    state = golden("spikformer-cifar-T2")
    state = {name.replace("attn.q_linear", "attn.query"): value for name, value in state.items()}
    with pytest.raises(UnknownFamily, match=r"nearest is Spikformer.*block\.0\.attn\.q_linear\.weight is missing"):
        inspect(saved(state, tmp_path))


HEADLESS = ("qkformer-imagenet-T2", "sdtv1-cifar-T2", "spikingformer-cifar-T2", "spikformer-imagenet-T2")


@pytest.mark.parametrize("name", HEADLESS)
def test_a_model_without_its_head_is_refused_by_what_is_missing(name: str, tmp_path: Path) -> None:
    state = {tensor: value for tensor, value in golden(name).items() if not tensor.startswith("head.")}
    with pytest.raises(CheckpointMismatch, match=r"m.*head\.weight.* missing"):
        inspect(saved(state, tmp_path))


class Watched(dict[str, TensorSpec]):
    """Shapes that remember which were read."""

    def __init__(self, shapes: Mapping[str, TensorSpec]) -> None:
        super().__init__(shapes)
        self.read: list[str] = []

    def __getitem__(self, name: str) -> TensorSpec:
        self.read.append(name)
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


@pytest.mark.parametrize("family", FAMILY_KEYS)
def test_whatever_a_tensor_lacks_there_is_no_other_error(family: str) -> None:
    shapes = Watched(smallest(family))
    identify(holding(shapes), {})
    first = [name for name in dict.fromkeys(shapes.read) if not re.search(r"\.[1-9]", name)]
    for changed in damaged(shapes, first):
        with suppress(PrimeSVTError):
            identify(holding(changed), {})
    strange = TensorSpec(shape=(4, 4), dtype="float32", itemsize=4)
    for extra in {f"{name.split('.')[0]}.{rest}" for name in shapes for rest in ("x.w", "9.w", "0.x.w")} - {*shapes}:
        with pytest.raises(PrimeSVTError):
            identify(holding({**shapes, extra: strange}), {})


@pytest.mark.parametrize("key", FAMILY_KEYS)
def test_what_shows_a_family_or_its_defaults_may_be_gone_or_misshapen(key: str) -> None:
    shapes = Watched(smallest(key))
    family = identify(holding(shapes), {}).family
    shapes.read.clear()
    variant = family.identify(shapes)
    assert variant is not None
    for hyperparameter in family.hyperparameters.values():
        hyperparameter.default(variant, shapes)
    for name in dict.fromkeys(shapes.read):
        for changed in (replace(shapes[name], shape=()), replace(shapes[name], shape=(0,) * 4), None):
            others = {other: spec for other, spec in shapes.items() if other != name}
            with pytest.raises(PrimeSVTError):
                identify(holding(others if changed is None else {**others, name: changed}), {})


def test_a_family_that_fails_on_an_unknown_file_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(shapes: Shapes) -> str | None:
        return str(shapes["nothing"])

    families = {key: FAMILIES.load(key) for key in ("sdtv1", "spikformer")}
    families["sdtv1"] = replace(families["sdtv1"], identify=fails, unsupported_reason=fails)
    monkeypatch.setattr("primesvt_core.intake.identification.all_families", lambda: iter(families.items()))
    state = golden("spikformer-cifar-T2")
    assert identify(holding(shapes_of(state)), {}).family_key == "spikformer"
    with pytest.raises(CheckpointMismatch, match=r"looks like Spike-driven Transformer, but the tensor 'nothing'"):
        identify(holding({}), {})
