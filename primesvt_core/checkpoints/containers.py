"""Which of the things in a training script's file are the weights, and what else in it is worth knowing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.scalars import plain
from primesvt_core.checkpoints.tensors import Tensor, as_tensor, is_tensor
from primesvt_core.checkpoints.values import Call, Pairs, mapping

RAW = ("state_dict", "model", "model_state_dict", "net", "module")
AVERAGED = (
    "state_dict_ema", "model_ema", "ema", "ema_state_dict", "ema_model", "model_ema_state_dict", "model_state_dict_ema",
    "averaged_model", "swa_model", "swa_state_dict",
)  # fmt: skip
"""Names under which training scripts keep weights: as trained, and their moving average."""

RESERVED = "__metadata__"
"""What safetensors keeps beside the tensors."""

DESCRIPTION = "primesvt"
"""Of a file of our own: what it says of its model."""

SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
Items = list[tuple[Any, Any]]
Plain = bool | int | float | str
PlainValue = Plain | tuple[Plain, ...] | None
FEW = 64
LONGEST_TEXT = 256
INTEGER_BITS = 63


@dataclass(frozen=True)
class Contents:
    """The chosen state dict of a file."""

    container: str
    containers: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    args: Mapping[str, PlainValue]
    notes: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def unpack(root: Any, wanted: str | None, limits: Limits) -> Contents:
    """Find the weights.

    Args:
        root: the file's value, as `read_pickle` returns it.
        wanted: the container to take; None for the usual one.
        limits: of the number of tensors and the length of names.

    Raises:
        CheckpointRefused: if there are none, or several without a way to choose.
    """
    items = mapping(root)
    if items is None:
        raise refuse(Refusal.NO_STATE_DICT, f"the file holds {_kind(root)} where a state dict should be")
    keys = [key for key, _ in items if isinstance(key, str)]
    if len(keys) != len(set(keys)):
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the file has two entries of one name: readers would disagree")
    found = _candidates(items)
    if any(is_tensor(value) for _, value in items) and not any(name in found for name in (*RAW, *AVERAGED)):
        if wanted:
            raise refuse(Refusal.NO_STATE_DICT, f"the file is a state dict itself, it has no {quote(wanted)}")
        return Contents("", ("",), _state_dict(items, limits), {}, ())
    offered = _offered(found)
    name = _choose(found, offered, wanted)
    tensors = _state_dict(found[name], limits)
    return Contents(name, offered, tensors, _args(items), tuple(_beside(items, name, offered)), _metadata(items))


def _kind(value: Any) -> str:
    if is_tensor(value):
        return "a single tensor"
    return "a list" if isinstance(value, list | tuple) else "nothing" if value is None else "a single value"


def _candidates(items: Items) -> dict[str, Items]:
    """Entries that are dicts with tensors directly inside."""
    found: dict[str, Items] = {}
    for key, value in items:
        inner = mapping(value)
        if isinstance(key, str) and inner and any(is_tensor(entry) for _, entry in inner):
            found[key] = inner
    return found


def _offered(found: Mapping[str, object]) -> tuple[str, ...]:
    """Containers to choose from: those that training scripts use; where there are none of these, all."""
    known = tuple(name for name in (*RAW, *AVERAGED) if name in found)
    return known or tuple(name for name in found if SAFE_NAME.match(name))


def _choose(found: Mapping[str, object], offered: tuple[str, ...], wanted: str | None) -> str:
    names = ", ".join(quote(name) for name in offered)
    if wanted is not None:
        if wanted not in found:
            raise refuse(
                Refusal.NO_STATE_DICT, f"the file has no weights under {quote(wanted)}; it has: {names or '-'}"
            )
        return wanted
    if not offered:
        raise refuse(Refusal.NO_STATE_DICT, "the file holds no tensors; save model.state_dict()")
    preferred = [name for name in offered if name not in AVERAGED] or offered
    if len(preferred) > 1:
        raise refuse(
            Refusal.AMBIGUOUS, f"the file holds several state dicts ({names}); save the one you mean by itself"
        )
    return preferred[0]


def _beside(items: Items, chosen: str, offered: tuple[str, ...]) -> Iterator[str]:
    """Notes on what else the file holds."""
    large = [key for key, value in items if isinstance(key, str) and isinstance(value, list | Pairs | Call)]
    ignored = [quote(key) for key in large if key not in (*offered, "args")]
    others = [name for name in offered if name != chosen]
    if ignored:
        yield f"ignored beside the weights: {', '.join(ignored[:FEW])}"
    if others:
        yield f"other weights in the file: {', '.join(others)}"


def _state_dict(items: Items, limits: Limits) -> dict[str, Tensor]:
    if len(items) > limits.tensors:
        raise refuse(Refusal.TOO_LARGE, f"the file holds more than {limits.tensors:,} tensors")
    tensors: dict[str, Tensor] = {}
    for key, value in items:
        name = checked_name(key, limits)
        tensor = as_tensor(value)
        if tensor is None:
            raise refuse(Refusal.NO_STATE_DICT, f"the entry {name} of the state dict is {_kind(value)}, not a tensor")
        tensors[name] = tensor
    if len(tensors) != len(items):
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the state dict has two entries of one name: readers would disagree")
    return tensors


def checked_name(name: Any, limits: Limits) -> str:
    """The name of a tensor, if it is a string of the usual characters.

    Raises:
        CheckpointRefused: with the name quoted, shortened.
    """
    usual = isinstance(name, str) and len(name) <= limits.name_length and SAFE_NAME.match(name)
    if not usual or ".." in name or name == RESERVED:
        raise refuse(
            Refusal.BAD_NAME, f"a tensor is called '{quote(name)}'; names are letters, digits, '_', '-' and '.'"
        )
    return str(name)


def _args(items: Items) -> dict[str, PlainValue]:
    """Plain values of the training script's arguments, and the name that it gave the architecture."""
    beside = {key: value for key, value in items if isinstance(key, str) and key in ("args", "arch")}
    stored = beside.get("args")
    source = stored.state if isinstance(stored, Call) and stored.name.name == "Namespace" else stored
    pairs = [("arch", beside.get("arch")), *(mapping(source) or [])]
    named = [(key, _numbers(value)) for key, value in pairs if isinstance(key, str) and len(key) <= FEW]
    return {key: tuple(value) if isinstance(value, list) else value for key, value in named if _is_kept(value)}


def _metadata(items: Items) -> dict[str, str]:
    """What a file of our own says of its model, as safetensors files have it in their metadata."""
    return {key: value for key, value in items if key == DESCRIPTION and isinstance(value, str)}


def _numbers(value: Any) -> Any:
    return [plain(part) for part in value] if isinstance(value, list | tuple) and len(value) <= FEW else plain(value)


def _is_kept(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= FEW and all(_is_plain(part) for part in value)
    return value is None or _is_plain(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() <= INTEGER_BITS
    return isinstance(value, float) or (isinstance(value, str) and len(value) <= LONGEST_TEXT)
