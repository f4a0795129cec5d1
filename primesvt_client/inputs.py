"""How people give the fields of a model: derived from its declaration, for the command line and for the form.

A field says what it is by its type, bounds, default, title and description; what those do not tell (a unit, an option
of another name) stands beside them as `Input`. A field that is added to the model becomes an option and an input by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

LARGEST = 1 << 50
"""Far beyond every model, data set, disk and quota; JSON, databases and clients still count to it exactly."""


class Kind(StrEnum):
    """What is typed."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    SWITCH = "switch"
    CHOICE = "choice"
    NUMBERS = "numbers"
    RANGE = "range"
    TEXTS = "texts"
    ORDER = "order"
    MAPPING = "mapping"
    SCALAR = "scalar"
    LIST = "list"


class Unit(StrEnum):
    """What a number means to people; specs hold fractions and bytes."""

    NONE = ""
    POINTS = "points"
    PERCENT = "%"
    BYTES = "MiB"


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a field's type does not tell about how it is given.

    Attributes:
        option: name on the command line; made of the field's name if empty.
        name: name of the input in the form; the field's if empty.
        unit: what the number means.
        plugins: kind of plug-ins to choose from; ``others`` are choices that are no plug-ins.
        by_preset: whether its default is the preset's.
        on_command: whether it is an option, or of spec files only.
        on_form: whether it is in the form.
        entries: the keys of a mapping that have options and inputs of their own, as a model.
        has_lists: whether commas separate several values of one key of a mapping.
        nothing: what no choice is called, where that is one, too.
        or_list: whether a list of names may stand in place of its choices; on the command line as a text file.
    """

    option: str = ""
    name: str = ""
    unit: Unit = Unit.NONE
    plugins: str = ""
    others: tuple[str, ...] = ()
    by_preset: bool = False
    on_command: bool = True
    on_form: bool = True
    entries: type[BaseModel] | None = None
    has_lists: bool = False
    or_list: bool = False
    nothing: str = ""


SPEC_ONLY = Input(on_command=False, on_form=False)
"""Of a field, or of all fields of a nested model: given in spec files only."""


@dataclass(frozen=True, kw_only=True)
class InputField:
    """One field as people give it.

    Attributes:
        path: keys that lead to its value in the document.
        kind: what is typed.
        label: a few words for people.
        help: a sentence.
        default: what holds if it is not given; None where that is nothing, or the preset's to say.
        example: a value that may be given.
        low: smallest value; None where there is none worth telling.
        high: largest value, likewise.
        is_open: whether the largest value itself is excluded.
        choices: the values of a choice.
        how: what the type does not tell.
    """

    path: tuple[str, ...]
    kind: Kind
    label: str
    help: str
    default: Any
    example: Any
    low: float | None
    high: float | None
    is_open: bool
    choices: tuple[str, ...]
    how: Input

    @property
    def place(self) -> str:
        """Where its value is in the document, as messages about a spec name it."""
        return ".".join(self.path)

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return self.how.option or "--" + self.path[-1].replace("_", "-")

    @property
    def parameter(self) -> str:
        """Its name as a Python argument of the command."""
        return self.option.removeprefix("--").replace("-", "_")

    @property
    def keyword(self) -> str:
        """Its name as an argument of the Python library: the spec's, unless that is clear in its place alone."""
        return self.how.name if self.how.name and self.how.unit is not Unit.BYTES else self.path[-1]

    @property
    def name(self) -> str:
        """Its name in the form."""
        return self.how.name or self.path[-1]

    @property
    def is_fraction(self) -> bool:
        """Whether people say it in hundredths."""
        return self.how.unit in (Unit.POINTS, Unit.PERCENT)


def input_fields(model: type[BaseModel]) -> tuple[InputField, ...]:
    """Every field that people can give, in the order of the declaration; nested models are walked through."""
    return tuple(_fields(model, ()))


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[InputField]:
    for name, info in model.model_fields.items():
        how = _how(info)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            if how != SPEC_ONLY:
                yield from _fields(info.annotation, (*path, name))
        else:
            if how.entries is not None:
                yield from _fields(how.entries, (*path, name))
            yield _field((*path, name), info)


def _how(info: FieldInfo) -> Input:
    return next((one for one in info.metadata if isinstance(one, Input)), Input())


def _field(path: tuple[str, ...], info: FieldInfo) -> InputField:
    how = _how(info)
    bare, limits = _bare(info.annotation, info.metadata)
    low = next((float(one.ge if isinstance(one, Ge) else one.gt) for one in limits if isinstance(one, Ge | Gt)), None)  # type: ignore[arg-type]
    high = next((float(one.le if isinstance(one, Le) else one.lt) for one in limits if isinstance(one, Le | Lt)), None)  # type: ignore[arg-type]
    default = info.get_default(call_default_factory=True, validated_data={})
    return InputField(
        path=path,
        kind=Kind.ORDER if how.or_list else _kind(bare),
        label=info.title or path[-1].replace("_", " ").capitalize(),
        help=info.description or "",
        default=None if default in ((), {}) or info.is_required() or how.by_preset else default,
        example=info.examples[0] if info.examples else None,
        low=low if low is not None and low > -LARGEST else None,
        high=high if high is not None and high < LARGEST else None,
        is_open=any(isinstance(one, Lt) for one in limits),
        choices=tuple(map(str, get_args(bare))) if get_origin(bare) is Literal else (),
        how=how,
    )


def _bare(annotation: Any, limits: list[Any]) -> tuple[Any, list[Any]]:
    """A type without ``Annotated`` and ``None``, and the metadata on the way to it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            limits = [*limits, *(one for info in more for one in getattr(info, "metadata", (info,)))]
        elif get_origin(annotation) in (Union, UnionType):
            annotation = next(one for one in get_args(annotation) if one is not NoneType)
        else:
            return annotation, limits


KINDS: Mapping[Any, Kind] = {bool: Kind.SWITCH, int: Kind.INTEGER, float: Kind.NUMBER, str: Kind.TEXT}


def _kind(bare: Any) -> Kind:
    """What people type for a type.

    Raises:
        TypeError: nobody can type that in one line; the field has to be `SPEC_ONLY` within a model of its own.
    """
    origin = get_origin(bare)
    if origin is Literal:
        return Kind.CHOICE
    if origin is dict:
        return Kind.MAPPING
    if origin is tuple:
        if Ellipsis not in get_args(bare):
            return Kind.RANGE
        inner, _ = _bare(get_args(bare)[0], [])
        return Kind.NUMBERS if inner in (int, float) else Kind.TEXTS
    if bare not in KINDS:
        raise TypeError(f"a field of the type {bare} cannot be given as an option or in a form")
    return KINDS[bare]
