"""Weights under the public names, with what a training script keeps beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.evaluation.evaluate import DEFAULT_BATCH
from primesvt_core.exporters._base import Array, Export
from primesvt_core.exporters._comparing import LogitsCheck, Run, compare_logits
from primesvt_core.exporters._loaded import LoadedModel, load_model
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.layers.model import SpikingModel
from primesvt_core.spec import SplitSizes
from primesvt_core.workspace.atomic import tensor_file

SUFFIXES = (".pth", ".pt", ".tar", ".bin", ".ckpt", ".safetensors")
"""Of files that training scripts keep; all but ``.safetensors`` are as ``torch.save`` writes them."""

Argument = bool | int | float | str | list[bool | int | float | str]

UNSAID = ("input_size",)
"""Names of a field in ``args`` whose value is there a list with other numbers."""


def describe(model: LoadedModel) -> Provenance:
    """What a file of our own says of a model, pruned or not."""
    overrides = model.overrides.over(model.inspection.overrides)
    if model.provenance is not None:
        return model.provenance.model_copy(update={"preprocessing": overrides})
    return Provenance(
        family=model.inspection.family_key,
        config=model.config.model_dump(mode="json"),
        data_fingerprint="",
        splits=SplitSizes(),
        seed=0,
        preprocessing=overrides,
        batch_size=DEFAULT_BATCH,
        plan={},
    )


def write_public(out: Path, state: Mapping[str, Tensor], provenance: Provenance, args: Mapping[str, Argument]) -> None:
    """Write a state dict: ``.safetensors`` with our metadata; otherwise as ``torch.save`` writes it, with ``args``.

    Args:
        out: file to write.
        state: under the public names.
        provenance: what a file of our own says of the model.
        args: of a training script.
    """
    described = metadata(provenance)
    with tensor_file(out) as temporary:
        if out.suffix == ".safetensors":
            save_file(dict(state), temporary, described)
        else:
            torch.save({"state_dict": dict(state), "args": dict(args), **described}, temporary)


def arguments(model: LoadedModel, preprocessing: Preprocessing) -> dict[str, Argument]:
    """A training script's ``args`` that say what weights do not: hyperparameters, under all names that they have there.

    Args:
        model: of the same hyperparameters.
        preprocessing: of its images.
    """
    kept = {name: _listed(value) for name, value in model.inspection.checkpoint.args.items() if value is not None}
    fields = {
        alias: value
        for name, hyperparameter in model.family.hyperparameters.items()
        if (value := getattr(model.config, name, None)) is not None
        for alias in hyperparameter.names(name)
        if alias not in UNSAID
    }
    sizes = {"num_classes": model.config.num_classes, "in_channels": model.config.in_channels}
    return {**kept, **_preprocessed(preprocessing, model.config.image_size), **sizes, **fields}


def _listed(value: Any) -> Any:
    return [*value] if isinstance(value, tuple) else value


def _preprocessed(preprocessing: Preprocessing, size: int) -> dict[str, Argument]:
    """Preprocessing as timm's arguments say it; what they cannot say is left out."""
    said: dict[str, Argument] = {"interpolation": preprocessing.interpolation}
    for name in ("mean", "std"):
        if (values := getattr(preprocessing, name)) is not None:
            said[name] = [*values]
    if preprocessing.resize is not None and preprocessing.resize >= size:
        said["crop_pct"] = size / (preprocessing.resize + 0.5 * (preprocessing.resize > size))  # it is rounded down
    return said


def verify_public(export: Export, out: Path, config: FamilyConfig, *, compared: str) -> LogitsCheck:
    """Read a file back as anybody would, and compare it with the model.

    Args:
        export: what was exported.
        out: the file.
        config: that it is of.
        compared: what is compared with what, for people.

    Raises:
        ExportError: if it is read back as another model, or computes something else.
    """
    found = load_model(out)
    for what, one, other in (
        ("config", found.config, config),
        ("preprocessing", found.preprocessing, export.model.preprocessing),
    ):
        if one != other:
            raise ExportError(f"{out.name} is read back with another {what}: {one!r} instead of {other!r}")
    return compare_logits(export, _run(found.network), compared=compared, exactly=lambda: _run(found.build().double()))


def _run(network: SpikingModel) -> Run:
    def run(x: Array) -> Array:
        with torch.inference_mode():
            found: Array = network(torch.from_numpy(x)).numpy()
        return found

    return run
