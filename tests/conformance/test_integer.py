"""Integer networks of every family that the format holds; of the others, what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from primesvt_core.codegen.shapes import shapes
from primesvt_core.errors import ExportError
from primesvt_core.exporters import EXPORTERS, Export, integer
from primesvt_core.exporters._images import drawn_for
from primesvt_core.exporters._loaded import load_model
from primesvt_core.exporters.integer import IntegerCheck, Options, read
from primesvt_core.integers.forward import fixed_point, forward
from tests.support.goldens import FAMILY_KEYS
from tests.support.references import Reference, references, without_times
from tests.support.thorough import IS_THOROUGH

pytestmark = pytest.mark.usefixtures("one_thread")
RATE = 0.5
EXPORTER = EXPORTERS.load("integer")

HELD = ("qkformer", "sj_qkformer", "sj_spikformer", "spikformer")
"""Families whose residual streams are sums of spikes."""

NOT_HELD = {
    "sj_qkformer-plif": "whose leak is no shift",
    "sj_qkformer-events": "subtracts its threshold",
    "sj_spikformer-plif": "whose leak is no shift",
    "sj_spikformer-slow": "subtracts its threshold",
    "sj_spikformer-if": "is reset to -0.1",
}
"""Models of these families with other neurons."""

REFUSED = {
    "maxformer": "takes the currents of",
    "sdtv1": "takes the currents of patch_embed.proj_conv3|whose leak is no shift",
    "sdtv2": "holds one convolution or linear layer",
    "sdtv3": "is a MultiLevelNeuron",
    "sj_maxformer": "takes the currents of|whose leak is no shift|is reset to -0.1",
    "sj_sdt": "takes the currents of|whose leak is no shift|no power of two",
    "spikingformer": "takes the currents of|no power of two",
    "spikingresformer": "scores uses|whose leak is no shift",
}

EVERY = [*without_times()]
ONES = [*{reference.family: reference for reference in EVERY[::-1] if reference.name not in NOT_HELD}.values()]
SOME = EVERY if IS_THOROUGH else [*ONES, *(each for each in EVERY if each.name in NOT_HELD)]
WRITTEN = [each for each in SOME if each.family in HELD and each.name not in NOT_HELD]


def handed(reference: Reference, folder: Path) -> Export:
    """A model at half its channels."""
    golden, path = reference.load(), folder / "model.safetensors"
    golden.save_pruned(golden.plan(RATE), path)
    told = {"compat_batch_leak": False} if "compat_batch_leak" in golden.family.hyperparameters else {}
    model = load_model(path, told)
    return Export(model=model, options=Options(), images=drawn_for(model))


def test_every_family_is_held_or_refused() -> None:
    assert {*HELD, *REFUSED} == {*FAMILY_KEYS}
    assert {*NOT_HELD} <= {reference.name for reference in references()}


@pytest.mark.parametrize("reference", WRITTEN, ids=lambda reference: reference.name)
def test_integers_fire_as_the_float_model_does(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not IS_THOROUGH:
        monkeypatch.setattr(integer, "MOST_PIXELS", 1)  # one image
    export, out = handed(reference, tmp_path), tmp_path / "out.safetensors"
    EXPORTER.write(export, out)
    check = EXPORTER.verify(export, out)
    assert isinstance(check, IntegerCheck)
    assert check.different_alone <= 1e-4
    index, tensors = read(out)
    images = fixed_point(export.images.first(1), index.image, index.time_steps)
    values = forward(index, tensors, images)
    assert {str(value.dtype) for value in values.values()} == {"int64"}
    known = shapes(export.model.family, export.model.config)
    assert {name: value.shape for name, value in values.items()} == {name: known[name] for name in values}  # type: ignore[index]
    for operation in index.operations:
        if operation.op == "layer":
            assert np.abs(values[operation.input]).max() <= max(map(abs, operation.input_range))


@pytest.mark.parametrize(
    "reference", [each for each in SOME if each not in WRITTEN], ids=lambda reference: reference.name
)
def test_what_the_format_does_not_hold_is_refused_by_name(reference: Reference, tmp_path: Path) -> None:
    export, out = handed(reference, tmp_path), tmp_path / "out.safetensors"
    with pytest.raises(ExportError, match=f"integer: .*({NOT_HELD.get(reference.name) or REFUSED[reference.family]})"):
        EXPORTER.write(export, out)
    assert not out.exists()
