"""Which of the things in a training script's file are the weights, and what else in it is worth knowing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.pickles import Call, Pairs
from primesvt_core.checkpoints.refusals import Refusal, refuse
from primesvt_core.checkpoints.tensors import Tensor, as_tensor

CONTAINERS = ("state_dict", "model", "model_state_dict", "net", "module", "state_dict_ema", "model_ema")
"""Names under which training scripts keep weights, the preferred first."""

PREFIXES = ("module.", "_orig_mod.")
COUNTERS = ("total_ops", "total_params")
"""What the profiler thop leaves behind in every module."""

SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
PlainValue = bool | int | float | str | tuple[bool | int | float | str, ...]
FEW = 64


@dataclass(frozen=True)
class Contents:
    """The chosen state dict of a file."""

    container: str
    containers: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    args: Mapping[str, PlainValue]
    notes: tuple[str, ...]


def mapping(value: Any) -> list[tuple[Any, Any]] | None:
    """Items of a dict or OrderedDict; None for anything else."""
    if isinstance(value, Pairs):
        return value.items
    if isinstance(value, Call) and value.name.name == "OrderedDict":
        return value.pairs.items
    return None


def unpack(root: Any, wanted: str | None, limits: Limits) -> Contents:
    """Find the weights.

    Args:
        root: the file's value, as `read_pickle` returns it.
        wanted: the container to take; None for the usual one.
        limits: of the number of tensors and the length of names.

    Raises:
        CheckpointRefused: if there are none, or several that nothing tells apart.
    """
    items = mapping(root)
    if items is None:
        raise refuse(Refusal.NO_STATE_DICT, f"the file holds {_kind(root)} where a state dict should be")
    if any(as_tensor(value) is not None for _, value in items):
        tensors, notes = _state_dict(items, limits)
        return Contents("", ("",), tensors, {}, notes)
    found = _candidates(items)
    name = _choose(found, wanted)
    tensors, notes = _state_dict(found[name], limits)
    ignored = [str(key)[:40] for key, value in items if key not in found and key != "args" and _is_large(value)]
    others = [key for key in found if key != name]
    notes += (f"ignored beside the weights: {', '.join(ignored)}",) if ignored else ()
    notes += (f"other weights in the file: {', '.join(others)}",) if others else ()
    return Contents(name, tuple(found), tensors, _args(items), notes)


def _kind(value: Any) -> str:
    if as_tensor(value) is not None:
        return "a single tensor"
    return "a list" if isinstance(value, list | tuple) else "nothing" if value is None else "a single value"


def _is_large(value: Any) -> bool:
    return isinstance(value, list | Pairs | Call)


def _candidates(items: list[tuple[Any, Any]]) -> dict[str, list[tuple[Any, Any]]]:
    """Entries that are dicts with tensors directly inside, known containers first."""
    found = {}
    for key, value in items:
        inner = mapping(value)
        if isinstance(key, str) and inner and any(as_tensor(entry) is not None for _, entry in inner):
            found[key] = inner
    order = {name: index for index, name in enumerate(CONTAINERS)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _choose(found: Mapping[str, object], wanted: str | None) -> str:
    names = ", ".join(repr(name[:40]) for name in found)
    if wanted is not None:
        if wanted not in found:
            raise refuse(Refusal.NO_STATE_DICT, f"the file has no weights under {wanted!r}; it has: {names or 'none'}")
        return wanted
    if not found:
        raise refuse(Refusal.NO_STATE_DICT, "the file holds no tensors; save model.state_dict()")
    first = next(iter(found))
    if first not in CONTAINERS and len(found) > 1:
        raise refuse(
            Refusal.AMBIGUOUS, f"the file holds several state dicts ({names}); save the one you mean by itself"
        )
    return first


def _state_dict(items: list[tuple[Any, Any]], limits: Limits) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    if len(items) > limits.tensors:
        raise refuse(Refusal.TOO_LARGE, f"the file holds more than {limits.tensors:,} tensors")
    tensors: dict[str, Tensor] = {}
    for key, value in items:
        check_name(key, limits)
        tensor = as_tensor(value)
        if tensor is None:
            raise refuse(Refusal.NO_STATE_DICT, f"the entry {key} of the state dict is {_kind(value)}, not a tensor")
        if key in tensors:
            raise refuse(Refusal.UNSAFE_ARCHIVE, f"the state dict has two entries called {key}")
        tensors[key] = tensor
    return normalise_names(tensors)


def check_name(name: Any, limits: Limits) -> None:
    """Refuse names that are not strings of the usual characters.

    Raises:
        CheckpointRefused: with the name quoted, shortened.
    """
    if not isinstance(name, str) or len(name) > limits.name_length or not SAFE_NAME.match(name) or ".." in name:
        raise refuse(
            Refusal.BAD_NAME, f"a tensor is called {str(name)[:60]!r}; names are letters, digits, '_', '-' and '.'"
        )


def normalise_names(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Drop what wrappers and profilers added to the names."""
    notes: list[str] = []
    kept = {name: tensor for name, tensor in tensors.items() if name.rsplit(".", 1)[-1] not in COUNTERS}
    if len(kept) < len(tensors):
        notes.append(f"{len(tensors) - len(kept)} counters of a profiler were ignored")
    stripped = True
    while stripped and kept:
        stripped = False
        for prefix in PREFIXES:
            if all(name.startswith(prefix) and len(name) > len(prefix) for name in kept):
                kept = {name.removeprefix(prefix): tensor for name, tensor in kept.items()}
                notes.append(f"the prefix {prefix} was removed from every name")
                stripped = True
    return kept, tuple(notes)


def _args(items: list[tuple[Any, Any]]) -> dict[str, PlainValue]:
    """Plain values of the training script's arguments."""
    told = next((value for key, value in items if key == "args"), None)
    source = told.state if isinstance(told, Call) and told.name.name == "Namespace" else told
    pairs = mapping(source) or []
    plain = {key: _plain(value) for key, value in pairs if isinstance(key, str) and len(key) <= FEW}
    return {key: value for key, value in plain.items() if value is not None}


def _plain(value: Any) -> PlainValue | None:
    if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 4 * FEW):
        return value
    if (
        isinstance(value, list | tuple)
        and len(value) <= FEW
        and all(isinstance(v, bool | int | float | str) for v in value)
    ):
        return tuple(value)
    return None
