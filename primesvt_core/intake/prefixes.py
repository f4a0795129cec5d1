"""A model that was saved as a part of another one: all of its names begin alike, ``model.``, ``backbone.`` or ``net.``.

Such a prefix is removed only where a family knows the names without it, and none knows them with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from primesvt_core.checkpoints import Checkpoint, below
from primesvt_core.errors import CheckpointMismatch
from primesvt_core.intake.identification import all_families, fitting
from primesvt_core.types import Shapes

DEEPEST = 8
"""Modules around a model that are looked through, and models beside each other."""

SHOWN = 5
"""Tensors that an error names."""


def without_prefix(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint under the names that a family knows; as it is if none does.

    Raises:
        CheckpointMismatch: if a model lies beside other tensors, which may be a part of what it computes.
    """
    prefixes = ["", *_common(checkpoint.tensors)]
    for wanted in (True, None):
        for prefix in prefixes:
            if _is_known(checkpoint, _below(checkpoint.tensors, prefix)) is wanted:
                return below(checkpoint, prefix) if prefix else checkpoint
    _check_alone(checkpoint)
    return checkpoint


def _is_known(checkpoint: Checkpoint, shapes: Shapes) -> bool | None:
    """Whether a family knows these names, to read them or to refuse them for a reason; None if one fails on shapes."""
    failed = False
    for _, family in all_families():
        try:
            with fitting(checkpoint.path, family.title):
                if family.identify(shapes) is not None or family.unsupported_reason(shapes) is not None:
                    return True
        except CheckpointMismatch:
            failed = True
    return None if failed else False


def _common(shapes: Shapes) -> Iterator[str]:
    """What all names begin with, module by module."""
    modules = [name.split(".")[:-1] for name in shapes]
    first, last = min(modules, default=[]), max(modules, default=[])
    for depth in range(1, DEEPEST + 1):
        if not first[depth - 1 : depth] or first[:depth] != last[:depth]:
            return
        yield ".".join(first[:depth]) + "."


def _below(shapes: Shapes, prefix: str) -> Shapes:
    return {name.removeprefix(prefix): spec for name, spec in shapes.items() if name.startswith(prefix)}


def _check_alone(checkpoint: Checkpoint) -> None:
    counts = Counter(name.partition(".")[0] for name in checkpoint.tensors if "." in name)
    tops = [f"{top}." for top, count in counts.items() if count * DEEPEST >= len(checkpoint.tensors)]
    for top in tops:
        shapes = _below(checkpoint.tensors, top)
        if any(_is_known(checkpoint, _below(shapes, prefix)) for prefix in ("", *_common(shapes))):
            others = [name for name in checkpoint.tensors if not name.startswith(top)]
            raise CheckpointMismatch(
                f"{checkpoint.path.name} holds a model under {top}, and {len(others)} tensors beside it, which may be a"
                f" part of what it computes, or of another model: {', '.join(others[:SHOWN])}. Save the state_dict() of"
                " the model alone"
            )
