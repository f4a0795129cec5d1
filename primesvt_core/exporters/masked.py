"""The pruned model at the original's shapes, for the public code, whose widths are fixed."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from primesvt_core.errors import CheckpointMismatch, PruningError
from primesvt_core.exporters._base import Check, Export, Exporter, Original
from primesvt_core.exporters._loaded import LoadedModel
from primesvt_core.exporters._public import SUFFIXES, arguments, describe, verify_public, write_public
from primesvt_core.pruning.surgery import masked
from primesvt_core.types import Plan


def write(export: Export, out: Path) -> None:
    """Write a full-size state dict under the public names, with the training script's ``args``.

    Raises:
        CheckpointMismatch: if the model was not pruned by PrimeSVT, or not from this original.
    """
    pruned, original = export.model, export.original
    assert original is not None  # noqa: S101  # the record asks for it
    provenance = pruned.provenance
    if provenance is None or not provenance.plan:
        raise CheckpointMismatch(
            f"{pruned.name} is no model that PrimeSVT pruned: it does not say which channels it kept"
        )
    state = _full_size(pruned, original, Plan(provenance.plan))
    full = describe(pruned).model_copy(update={"config": original.config.model_dump(mode="json"), "plan": {}})
    write_public(out, state, full, arguments(original, pruned.preprocessing))


def _full_size(pruned: LoadedModel, original: LoadedModel, plan: Plan) -> dict[str, Tensor]:
    shapes = original.inspection.shapes
    try:
        state = masked(original.family, original.config, pruned.state, plan, shapes)
    except (PruningError, RuntimeError, IndexError) as error:
        raise CheckpointMismatch(f"{pruned.name} was not pruned from {original.name}: {error}") from None
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != {n: s.shape for n, s in shapes.items()}:
        raise CheckpointMismatch(f"{pruned.name} was not pruned from {original.name}: their shapes do not fit")
    return state


def verify(export: Export, out: Path) -> Check:
    """Silent channels add zeros, in another order: logits are the pruned model's but for rounding."""
    assert export.original is not None  # noqa: S101
    return verify_public(export, out, export.original.config, compared="the file, read back, with the pruned model")


EXPORTER = Exporter(write=write, verify=verify, suffixes=SUFFIXES, original=Original.NEEDED)
