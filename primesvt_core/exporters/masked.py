"""The pruned model at the original's shapes, for the public code, whose widths are fixed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor

from primesvt_core.errors import CheckpointMismatch, PruningError, SpecError
from primesvt_core.exporters._base import Exporter
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.loading import load_state
from primesvt_core.pruning.surgery import masked
from primesvt_core.types import Plan
from primesvt_core.workspace.atomic import tensor_file


def export(model: Path, original: Path, out: Path, container: str | None = None) -> None:
    """Write a full-size state dict under the public names; ``.safetensors``, otherwise as ``torch.save`` writes it.

    Args:
        model: pruned, once or more.
        original: the checkpoint that it came from in the end.
        out: file to write.
        container: which weights of an original that has several.

    Raises:
        CheckpointMismatch: if the model was not pruned by PrimeSVT, or not from this original.
    """
    pruned = inspect(model)
    if pruned.provenance is None:
        raise CheckpointMismatch(
            f"{model.name} is no model that PrimeSVT pruned: it does not say which channels it kept"
        )
    source = _source(pruned, original, container)
    if source.family_key != pruned.family_key:
        raise CheckpointMismatch(f"{original.name} is a {source.family.title}, {model.name} a {pruned.family.title}")
    plan = Plan(pruned.provenance.plan)
    try:
        state = masked(source.family, source.config, _state(pruned), plan, source.shapes)
    except (PruningError, RuntimeError, IndexError) as error:
        raise CheckpointMismatch(f"{model.name} was not pruned from {original.name}: {error}") from None
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != {n: s.shape for n, s in source.shapes.items()}:
        raise CheckpointMismatch(f"{model.name} was not pruned from {original.name}: their shapes do not fit")
    with tensor_file(out) as temporary:
        if out.suffix == ".safetensors":
            save_file(state, temporary)
        else:
            torch.save(state, temporary)


def _state(pruned: Inspection) -> dict[str, Tensor]:
    """The pruned model's weights as they are read back, whatever they are stored as."""
    with TemporaryDirectory() as folder:
        return load_state(pruned, Path(folder) / "model.safetensors")


def _source(pruned: Inspection, original: Path, container: str | None) -> Inspection:
    """The original, run as the pruned model is, which its weights do not tell."""
    model = pruned.checkpoint.path.name
    try:
        told = {assumption.field: assumption.value for assumption in pruned.assumptions}
        source = inspect(original, told, container=container)
    except SpecError as error:
        raise CheckpointMismatch(f"{model} was not pruned from {original.name}: {error}") from None
    if source.provenance is not None and source.provenance.plan:
        raise CheckpointMismatch(f"{original.name} is pruned, too; give the checkpoint that both came from")
    return source


EXPORTER = Exporter(write=export, suffix=None)
