"""What weights do not determine: from the caller, a checkpoint's own ``args``, or a family's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import JsonValue

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.errors import CheckpointMismatch, SpecError, UnknownFamily
from primesvt_core.families._base import ALIASES, Family, Hyperparameter, Value
from primesvt_core.types import Assumption


def resolve(
    family: Family[Any],
    variant: str,
    checkpoint: Checkpoint,
    given: Mapping[str, Value],
    stored: Mapping[str, JsonValue] | None,
) -> list[Assumption]:
    """A value for every hyperparameter of a family. Order of trust: the caller, the checkpoint itself, the default.

    Args:
        family: whose fields.
        variant: which of the family's models.
        checkpoint: whose ``args`` may hold values.
        given: what the caller knows.
        stored: the config in a file of our own; None for others.

    Raises:
        SpecError: the caller knows a field that the family does not have, or a flag for a number.
        CheckpointMismatch: a config of our own is damaged.
        UnknownFamily: the checkpoint's ``args`` describe a model that computes something else.
    """
    unknown = sorted(set(given) - set(family.hyperparameters))
    if unknown:
        raise SpecError(
            f"{family.title} has no {', '.join(unknown)} to assume; it has: {', '.join(family.hyperparameters)}"
        )
    found = []
    for name, hyperparameter in family.hyperparameters.items():
        if name in given:
            value = _given(name, given[name], hyperparameter.default(variant, checkpoint.tensors))
            found.append(Assumption(field=name, value=value, source="caller"))
        elif stored is not None and (kept := stored.get(name)) is not None:
            found.append(Assumption(field=name, value=_value(kept), source="checkpoint"))
        elif stored is not None:
            raise CheckpointMismatch(f"the metadata of {checkpoint.path.name} is damaged: its config has no {name}")
        else:
            default = hyperparameter.default(variant, checkpoint.tensors)
            is_ignored = variant in hyperparameter.ignored_by
            answer = None if is_ignored else _from_args(name, hyperparameter, family, checkpoint, default)
            source: Literal["checkpoint", "default"] = "default" if answer is None else "checkpoint"
            found.append(Assumption(field=name, value=default if answer is None else answer, source=source))
    return found


def _given(name: str, value: Value, default: Value) -> Value:
    answer = _answer(value, default)
    if answer is None:
        raise SpecError(f"{name} is assumed to be {value}, which is a flag; its default is {default}")
    return answer


def _from_args(
    name: str, hyperparameter: Hyperparameter, family: Family[Any], checkpoint: Checkpoint, default: Value
) -> Value | None:
    """A field's value in the training script's arguments."""
    for argument in hyperparameter.names(name):
        answer = _answer(_argument(checkpoint, argument, hyperparameter), default)
        if answer is not None:
            return answer
    try:
        return _answer(hyperparameter.parse_args(checkpoint.args), default)
    except ValueError as error:
        raise UnknownFamily(f"{checkpoint.path.name} looks like {family.title}, but its args {error}") from None


def _argument(checkpoint: Checkpoint, name: str, hyperparameter: Hyperparameter) -> object:
    value = checkpoint.args.get(name)
    if not isinstance(value, tuple):
        return value
    return ",".join(map(str, value)) if hyperparameter.stages > 1 else _single(name, value)


def _single(name: str, values: tuple[object, ...]) -> object:
    """The one value of a list: ``[8, 8, 8]`` heads, ``[3, 224, 224]`` an image's channels and sides."""
    values = values[-2:] if name in ALIASES["image_size"] else values
    return values[0] if len(set(values)) == 1 else None


def _answer(value: object, default: Value) -> Value | None:
    """A field's value, if it may be one: a flag, ``T=True``, is no number, and the digits of a text are a text."""
    if isinstance(value, bool):
        return value if isinstance(default, bool) else None
    if isinstance(value, int | float):
        return str(value) if isinstance(default, str) else value
    return value if isinstance(value, str) else None


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float | str):
        return value
    raise CheckpointMismatch(f"the file's metadata is damaged: {value!r} is no value of a config field")
