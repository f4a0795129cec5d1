"""The pruned model at the original's shapes, for the public code, whose widths are fixed."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from primesvt_core.errors import CheckpointMismatch, PruningError
from primesvt_core.exporters._base import Exporter
from primesvt_core.intake import inspect
from primesvt_core.pruning.surgery import masked
from primesvt_core.types import Plan
from primesvt_core.workspace import whole_file


def export(model: Path, original: Path, out: Path) -> None:
    """Write a full-size state dict under the public names; ``.safetensors``, otherwise as ``torch.save`` writes it.

    Raises:
        CheckpointMismatch: if the model was not pruned by PrimeSVT, or not from this original.
    """
    pruned, source = inspect(model), inspect(original)
    if pruned.provenance is None:
        raise CheckpointMismatch(
            f"{model.name} is no model that PrimeSVT pruned: it does not say which channels it kept"
        )
    if source.family_key != pruned.family_key:
        raise CheckpointMismatch(f"{original.name} is a {source.family.title}, {model.name} a {pruned.family.title}")
    config = source.config.model_copy(update={name: getattr(pruned.config, name) for name in source.family.asked})
    plan = Plan(pruned.provenance.plan)
    try:
        state = masked(source.family, config, load_file(model), plan, source.shapes)
    except (PruningError, RuntimeError, IndexError) as error:
        raise CheckpointMismatch(f"{model.name} was not pruned from {original.name}: {error}") from None
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != {n: s.shape for n, s in source.shapes.items()}:
        raise CheckpointMismatch(f"{model.name} was not pruned from {original.name}: their shapes do not fit")
    with whole_file(out) as temporary:
        if out.suffix == ".safetensors":
            save_file(state, temporary)
        else:
            torch.save(state, temporary)


EXPORTER: Exporter = export
