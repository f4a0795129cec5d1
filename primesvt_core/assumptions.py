"""What weights cannot tell: from the caller, a checkpoint's own ``args``, or a family's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from pydantic import JsonValue

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.errors import CheckpointMismatch, SpecError
from primesvt_core.families._base import ALIASES, Asked, Family, Value
from primesvt_core.types import Assumption


def resolve(
    family: Family[Any],
    variant: str,
    checkpoint: Checkpoint,
    given: Mapping[str, Value],
    stored: Mapping[str, JsonValue] | None,
) -> list[Assumption]:
    """A value for every field that is asked for. Order of trust: the caller, the checkpoint itself, the default.

    Args:
        family: whose fields.
        variant: which of the family's models.
        checkpoint: whose ``args`` may tell.
        given: what the caller knows.
        stored: the config in a file of our own; None for others.

    Raises:
        SpecError: the caller knows a field that the family does not have.
        CheckpointMismatch: a config of our own is damaged.
    """
    strangers = sorted(set(given) - set(family.asked))
    if strangers:
        raise SpecError(f"{family.title} has no {', '.join(strangers)} to assume; it has: {', '.join(family.asked)}")
    found = []
    for name, asked in family.asked.items():
        if name in given:
            found.append(Assumption(field=name, value=given[name], source="caller"))
        elif stored is not None and (told := stored.get(name)) is not None:
            found.append(Assumption(field=name, value=_value(told), source="checkpoint"))
        elif stored is not None:
            raise CheckpointMismatch(f"the metadata of {checkpoint.path.name} is damaged: its config has no {name}")
        else:
            found.append(_told_or_default(name, asked, variant, checkpoint))
    return found


def _told_or_default(name: str, asked: Asked, variant: str, checkpoint: Checkpoint) -> Assumption:
    default = asked.default(variant, checkpoint.tensors)
    for argument in () if variant in asked.unheard else asked.names(name):
        value = _told(checkpoint, argument, asked)
        if _is_answer(value, default):
            return Assumption(field=name, value=value, source="checkpoint")
    return Assumption(field=name, value=default, source="default")


def _told(checkpoint: Checkpoint, name: str, asked: Asked) -> object:
    """What the training script's arguments say under that name."""
    value = checkpoint.args.get(name)
    if asked.unset and checkpoint.args.get(asked.unset, "") is None:
        return True
    if not isinstance(value, tuple):
        return value
    return ",".join(map(str, value)) if asked.stages > 1 else _single(name, value)


def _single(name: str, values: tuple[object, ...]) -> object:
    """The one value of a list: ``[8, 8, 8]`` heads, ``[3, 224, 224]`` an image's channels and sides."""
    values = values[-2:] if name in ALIASES["image_size"] else values
    return values[0] if len(set(values)) == 1 else None


def _is_answer(value: object, default: Value) -> TypeGuard[Value]:
    """Whether an argument may be a field's value: a flag, ``T=True``, is no number."""
    return isinstance(value, bool | int | float | str) and (isinstance(default, bool) or not isinstance(value, bool))


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float | str):
        return value
    raise CheckpointMismatch(f"the file's metadata is damaged: {value!r} is no value of a config field")
