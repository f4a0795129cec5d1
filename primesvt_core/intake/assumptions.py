"""What weights do not determine: from the caller, a checkpoint's own ``args``, or a family's defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.errors import CheckpointMismatch, SpecError, UnknownFamily
from primesvt_core.families._base import ALIASES, Family, FamilyConfig, Hyperparameter, Value
from primesvt_core.types import Assumption


def resolve(
    family: Family[Any],
    variant: str,
    checkpoint: Checkpoint,
    given: Mapping[str, Value],
    stored: Mapping[str, JsonValue] | None,
) -> list[Assumption]:
    """A value for every hyperparameter of a family.

    Order of trust: tensors that tell it, the caller, the checkpoint's other contents, the default.

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
    unknown = sorted(set(given) - {*family.hyperparameters, *family.config_type.model_fields})
    if unknown:
        raise SpecError(
            f"{family.title} has no {', '.join(unknown)} to assume; it has: {', '.join(family.hyperparameters)}"
        )
    return [_resolve(family, variant, checkpoint, name, given, stored) for name in family.hyperparameters]


def check_agreement(
    path: Path, config: FamilyConfig, assumed: Iterable[Assumption], given: Mapping[str, Value]
) -> None:
    """Refuse what the caller assumes of a field that tensors determine, unless it is what they say.

    Args:
        path: of the checkpoint.
        config: as inferred.
        assumed: where the values of its hyperparameters came from.
        given: what the caller knows: fields of the config.

    Raises:
        SpecError: with both values.
    """
    believed = {assumption.field for assumption in assumed if assumption.source == "caller"}
    for name, value in given.items():
        if name not in believed and not _agree(known := getattr(config, name), value):
            raise SpecError(f"{name} is assumed to be {value}, but the tensors of {path.name} say {name}={known}")


def _agree(known: object, value: Value) -> bool:
    if isinstance(known, bool) or isinstance(value, bool):
        return known is value
    if isinstance(known, tuple):
        return ",".join(map(str, known)) == str(value)
    if isinstance(known, int | float):
        with suppress(ValueError):
            return float(value) == known
    return str(known) == str(value)


def unanswered(
    family: Family[Any], variant: str, checkpoint: Checkpoint, assumptions: Iterable[Assumption]
) -> list[Assumption]:
    """Defaults that nobody may rely on: what computes with one may compute another network than the checkpoint's."""
    return [
        assumption
        for assumption in assumptions
        if assumption.source == "default"
        and family.hyperparameters[assumption.field].must_be_told(variant, checkpoint.tensors)
    ]


def _resolve(
    family: Family[Any],
    variant: str,
    checkpoint: Checkpoint,
    name: str,
    given: Mapping[str, Value],
    stored: Mapping[str, JsonValue] | None,
) -> Assumption:
    hyperparameter = family.hyperparameters[name]
    if (told := hyperparameter.tell(variant, checkpoint.tensors)) is not None:
        return Assumption(field=name, value=told, source="tensors")
    if stored is not None and name not in given:
        return _stored(family, name, checkpoint, stored)
    default = hyperparameter.default(variant, checkpoint.tensors)
    if name in given:
        return Assumption(field=name, value=_given(name, given[name], default), source="caller")
    is_ignored = variant in hyperparameter.ignored_by
    answer = None if is_ignored else _from_args(name, hyperparameter, family, checkpoint, default)
    source: Literal["checkpoint", "default"] = "default" if answer is None else "checkpoint"
    return Assumption(field=name, value=default if answer is None else answer, source=source)


def _stored(family: Family[Any], name: str, checkpoint: Checkpoint, stored: Mapping[str, JsonValue]) -> Assumption:
    """A field of a file of our own; one that is newer than the file has the value that there was no other of then."""
    kept = stored.get(name)
    field = family.config_type.model_fields.get(name)
    if kept is None and field is not None and not field.is_required():
        kept = field.default
    if kept is None:
        raise CheckpointMismatch(f"the metadata of {checkpoint.path.name} is damaged: its config has no {name}")
    return Assumption(field=name, value=_value(kept), source="checkpoint")


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
