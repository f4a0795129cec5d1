"""A checkpoint under other names, or with counters that torch fills in: its tensors stay where they are in the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from primesvt_core.checkpoints.counters import count
from primesvt_core.checkpoints.reading import Checkpoint, spec
from primesvt_core.checkpoints.wrappers import COUNTER


def below(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    """The checkpoint without ``prefix``, with which every name of it begins."""
    return replace(
        checkpoint,
        tensors=MappingProxyType({name.removeprefix(prefix): each for name, each in checkpoint.tensors.items()}),
        located=MappingProxyType({name.removeprefix(prefix): each for name, each in checkpoint.located.items()}),
        notes=(*checkpoint.notes, f"the prefix {prefix} was removed from every name"),
    )


def with_counters(checkpoint: Checkpoint, names: Iterable[str]) -> Checkpoint:
    """The checkpoint with counters of zero under ``names``, as torch loads files from before there were any."""
    added = {name: count(0) for name in names}
    if not added:
        return checkpoint
    return replace(
        checkpoint,
        tensors=MappingProxyType({**checkpoint.tensors, **{name: spec(each) for name, each in added.items()}}),
        located=MappingProxyType({**checkpoint.located, **added}),
        notes=(*checkpoint.notes, f"{len(added)} {COUNTER} are not in the file and were set to 0"),
    )
