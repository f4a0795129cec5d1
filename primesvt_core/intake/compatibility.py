"""Whether a checkpoint is what its config describes: its shapes, its training arguments, its plan."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from pydantic import JsonValue

from primesvt_core.checkpoints import Checkpoint, is_counter, with_counters
from primesvt_core.errors import CheckpointMismatch, UnknownFamily
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.identification import AnyFamily
from primesvt_core.intake.provenance import Provenance
from primesvt_core.types import Shapes, TensorSpec

SHOWN = 5
"""Tensors that an error names of each kind."""

FREE_ENTRIES = 64
"""Of a config that are no layer's."""

MOST_NAMED = 2
"""Tensors of a config's layers for each one that the file has; files may lack the counters of BatchNorms."""


def complete(checkpoint: Checkpoint, family: AnyFamily, config: FamilyConfig) -> Checkpoint:
    """The checkpoint with the counters of its BatchNorms, which files from before torch 0.4.1 and converted ones lack.

    Raises:
        CheckpointMismatch: if the config's model cannot be built.
    """
    wanted = _model_shapes(checkpoint.path, family, config)
    return with_counters(checkpoint, [name for name in wanted if name not in checkpoint.tensors and is_counter(name)])


def _model_shapes(path: Path, family: AnyFamily, config: FamilyConfig) -> Shapes:
    """The state dict of the model that a config describes, built without memory."""
    try:
        wanted: Shapes = import_module("primesvt_core.pruning.surgery").full_shapes(family, config)
    except (RuntimeError, ValueError, ArithmeticError) as error:  # torch's, of widths that no tensor has
        raise CheckpointMismatch(f"{path.name} describes a model that cannot be built ({error})") from None
    return wanted


def check_entries(path: Path, config: Mapping[str, JsonValue], shapes: Shapes) -> None:
    """Refuse a stored config that says more of a model than a file of so few tensors can hold, before it is read.

    A config has a number or two for every layer, and a layer has several tensors.

    Raises:
        CheckpointMismatch: with both numbers.
    """
    most, entries = len(shapes) + FREE_ENTRIES, 0
    waiting: list[JsonValue] = [*config.values()]
    while waiting:
        entry = waiting.pop()
        entries += 1
        if entries > most:
            raise CheckpointMismatch(
                f"the metadata of {path.name} is damaged: its config has more than {most} entries, for"
                f" {len(shapes)} tensors; compress the original again"
            )
        if isinstance(entry, list | dict):
            waiting.extend(entry if isinstance(entry, list) else entry.values())


def check_extent(path: Path, family: AnyFamily, config: FamilyConfig, shapes: Shapes) -> None:
    """Refuse a config of many more layers than the file has tensors for, before its model is built.

    Raises:
        CheckpointMismatch: with both numbers.
    """
    named = sum(len(layer.tensors) for layer in family.layers(config))
    if named > MOST_NAMED * len(shapes) + FREE_ENTRIES:
        raise CheckpointMismatch(
            f"{path.name} looks like {family.title} ({config.variant}), but its tensors do not fit: the layers of its"
            f" config have {named}, the file has {len(shapes)}. The file is not complete; save the whole state_dict()"
        )


def check_shapes(path: Path, family: AnyFamily, config: FamilyConfig, shapes: Shapes) -> None:
    """Compare a state dict with the model that its config describes.

    Raises:
        CheckpointMismatch: with the tensors that are missing, unexpected or misshapen.
    """
    wanted = _model_shapes(path, family, config)
    missing = [name for name in wanted if name not in shapes]
    unexpected = [name for name in shapes if name not in wanted]
    misshapen = [name for name in wanted if name in shapes and wanted[name].shape != shapes[name].shape]
    if not (missing or unexpected or misshapen):
        return
    parts = [
        *([f"missing: {_some(missing)}"] if missing else []),
        *([f"unexpected: {_some(unexpected)}"] if unexpected else []),
        *([f"misshapen: {_some([_shape_clash(n, shapes[n], wanted[n]) for n in misshapen])}"] if misshapen else []),
    ]
    raise CheckpointMismatch(
        f"{path.name} looks like {family.title} ({config.variant}), but its tensors do not fit: {'; '.join(parts)}."
        " The file is not complete, or of a fork: save the whole state_dict() of the public model; a fork that adds or"
        " changes layers needs a family of its own, of some 50 lines (docs/families.md, A fork of a family)",
        facts={"missing": missing, "unexpected": unexpected, "misshapen": misshapen},
    )


def check_args(checkpoint: Checkpoint, family: AnyFamily, config: FamilyConfig) -> None:
    """Refuse a checkpoint whose training arguments contradict what its config implies.

    Raises:
        UnknownFamily: naming the argument.
    """
    for name, imply in family.implied_args.items():
        stored, reproduced = checkpoint.args.get(name), imply(config)
        if reproduced is not None and stored not in (None, reproduced):
            raise UnknownFamily(
                f"{checkpoint.path.name} looks like {family.title} ({config.variant}) with {name}={reproduced!r}, but"
                f" its args have {name}={stored!r}. Such a model computes something else, and PrimeSVT does not know"
                " it; if the args are wrong, save the model's own state_dict() without them"
            )


def check_plan(path: Path, family: AnyFamily, config: FamilyConfig, provenance: Provenance) -> None:
    """Refuse a file of our own that has another number of channels than its plan kept.

    Raises:
        CheckpointMismatch: naming the channel group.
    """
    for group in family.groups(config):
        if len(provenance.plan.get(group.name, range(group.size))) != group.size:
            raise CheckpointMismatch(
                f"the metadata of {path.name} is damaged: its plan keeps {len(provenance.plan[group.name])} channels of"
                f" {group.name}, which has {group.size}; compress the original again"
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _shape_clash(name: str, found: TensorSpec, wanted: TensorSpec) -> str:
    return f"{name} is {list(found.shape)}, should be {list(wanted.shape)}"
