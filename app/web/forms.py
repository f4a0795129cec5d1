"""The form of a new job: what people type, in percent and points, and the constraint spec that it means.

Its inputs are derived from the declaration of the spec's fields (`primesvt_client.spec`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from primesvt_client.inputs import InputField, Kind, Unit, input_fields
from primesvt_client.options import entry_value
from primesvt_core import registry, spec
from primesvt_core.errors import SpecError

MEBIBYTE = 1 << 20
FINEST = 0.01
"""Below an excluded bound of hundredths, what browsers still let people type."""


@dataclass(frozen=True)
class FormField:
    """One input of the form."""

    source: InputField

    @property
    def name(self) -> str:
        """Name of the input."""
        return self.source.name

    @property
    def path(self) -> str:
        """Where its value goes in the spec."""
        return self.source.place

    @property
    def label(self) -> str:
        """What it is called."""
        return self.source.label

    @property
    def hint(self) -> str:
        """What it means, and how it is written where that is not plain."""
        return " ".join(filter(None, (self.source.help, WRITTEN.get(self.source.kind))))

    @property
    def unit(self) -> str:
        """What stands behind the input."""
        return self.source.how.unit.value

    @property
    def is_number(self) -> bool:
        """Whether browsers should ask for a number."""
        return self.source.kind in (Kind.INTEGER, Kind.NUMBER)

    @property
    def kind(self) -> Kind:
        """What is typed; bytes are typed as a number of MiB."""
        return Kind.NUMBER if self.source.how.unit is Unit.BYTES else self.source.kind

    @property
    def low(self) -> float | None:
        """The smallest number to type."""
        low = self.source.low
        return 0.0 if low is not None and self.source.how.unit is Unit.BYTES else self._in_unit(low)

    @property
    def high(self) -> float | None:
        """The largest number to type."""
        high = self._in_unit(self.source.high)
        if high is None or not self.source.is_open:
            return high
        return high - (1 if self.source.kind is Kind.INTEGER else FINEST)

    def _in_unit(self, bound: float | None) -> float | None:
        return 100 * bound if bound is not None and self.source.is_fraction else bound

    @property
    def placeholder(self) -> str:
        """The default, or an example of texts."""
        shown = self.source.default if self.source.default is not None else self._example
        return typed_text(self.source, shown)

    @property
    def _example(self) -> Any:
        return self.source.example if self.source.kind in (Kind.TEXTS, Kind.MAPPING) else None

    @property
    def choices(self) -> tuple[str, ...]:
        """Plug-ins or values to choose from."""
        if self.source.kind is Kind.SWITCH:
            return ("false", "true")
        plugins = self.source.how.plugins
        return registry.available(plugins) if plugins else self.source.choices


WRITTEN: Mapping[Kind, str] = {
    Kind.NUMBERS: "Separated by commas.",
    Kind.TEXTS: "Separated by commas.",
    Kind.MAPPING: "NAME=VALUE, separated by semicolons.",
}
FIELDS = tuple(FormField(one) for one in input_fields(spec.CompressionSpec) if one.how.on_form)
BUDGET = tuple(one for one in FIELDS if one.source.path[0] == "budget")
ADVANCED = tuple(one for one in FIELDS if one not in BUDGET)
DEFAULTS: Mapping[str, str] = {"max_accuracy_drop": "3", "min_memory_saving": "25"}


@dataclass(frozen=True)
class Reading:
    """A form as read: the spec, and per field what is wrong (``""`` for what is no single field's fault)."""

    spec: dict[str, JsonValue]
    errors: dict[str, str] = field(default_factory=dict)


def read(values: Mapping[str, str]) -> Reading:
    """Make the spec that a form asks for, and check it."""
    document: dict[str, Any] = {"budget": {}}
    errors: dict[str, str] = {}
    for entry in FIELDS:
        typed = values.get(entry.name, "").strip()
        if not typed:
            continue
        try:
            _put(document, entry.source, _parsed(entry.source, typed))
        except (ValueError, OverflowError):
            errors[entry.name] = f"{typed[:40]!r} is not what belongs here: {_wanted(entry.source)}."
    if not errors:
        errors = _check(document)
    return Reading(document, errors)


def _check(document: Mapping[str, Any]) -> dict[str, str]:
    try:
        spec.parse(document)
    except SpecError as error:
        told = error.facts.get("problems")
        lines = [str(line) for line in told] if isinstance(told, list) else [f"spec: {error.message}"]
        return dict(_blame(line) for line in reversed(lines))
    return {}


def _blame(line: str) -> tuple[str, str]:
    """The field at fault and what is wrong with it."""
    path, _, message = line.partition(": ")
    for entry in FIELDS:
        if path == entry.path or path.startswith(entry.path + "."):
            return entry.name, f"{message}."
    return "", NO_BUDGET if path == "budget" else f"{path}: {message}."


NO_BUDGET = "Set at least one limit of the budget."


def _put(document: dict[str, Any], source: InputField, value: JsonValue) -> None:
    *parents, last = source.path
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = {**value, **document.get(last, {})} if isinstance(value, dict) else value


def _number(typed: str) -> float:
    value = float(typed.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(typed)
    return value


def _parts(typed: str) -> list[str]:
    return [part.strip() for part in typed.replace(";", ",").split(",") if part.strip()]


def _scaled(source: InputField, typed: str) -> float:
    return round(_number(typed) / 100, 10) if source.is_fraction else _number(typed)


def _mapping(source: InputField, typed: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, map(str.strip, typed.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(part)
        found[name.strip()] = entry_value(source, value.strip())
    return found


def _parsed(source: InputField, typed: str) -> Any:
    """The value of a spec that a text of the form means.

    Raises:
        ValueError: it means none.
        OverflowError: it is beyond every number.
    """
    if source.how.unit is Unit.BYTES:
        return int(_number(typed) * MEBIBYTE)
    return PARSERS[source.kind](source, typed)


PARSERS: Mapping[Kind, Callable[[InputField, str], Any]] = {
    Kind.INTEGER: lambda _, typed: int(typed),
    Kind.NUMBER: _scaled,
    Kind.NUMBERS: lambda source, typed: [_scaled(source, part) for part in _parts(typed)],
    Kind.TEXTS: lambda _, typed: [name.strip() for name in typed.split(",") if name.strip()],
    Kind.MAPPING: _mapping,
    Kind.TEXT: lambda _, typed: typed,
    Kind.CHOICE: lambda _, typed: typed,
    Kind.SWITCH: lambda _, typed: typed == "true",
}


def _wanted(source: InputField) -> str:
    """What should have been typed."""
    of = {Unit.PERCENT: " of percent", Unit.POINTS: " of points", Unit.BYTES: " of MiB"}.get(source.how.unit, "")
    match source.kind:
        case Kind.NUMBERS:
            return f"numbers{of}, separated by commas"
        case Kind.MAPPING:
            return "NAME=VALUE, separated by semicolons"
        case Kind.INTEGER if not of:
            return "a whole number"
        case _:
            return f"a number{of}"


def values_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What a form must hold to ask for a spec again."""
    found = {entry.name: typed_text(entry.source, _get(document, entry.source)) for entry in FIELDS}
    return {name: value for name, value in found.items() if value}


def _get(document: Mapping[str, Any], source: InputField) -> Any:
    value: Any = document
    for part in source.path:
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):  # without what is in inputs of its own
        own = {entry.source.path[-1] for entry in FIELDS if entry.source.path[:-1] == source.path}
        return {key: one for key, one in value.items() if key not in own or isinstance(one, str)}
    # A text in place of a number ("3,6,6" heads, of each stage) stays among the others of its mapping.
    return None if isinstance(value, str) and source.kind in (Kind.INTEGER, Kind.NUMBER) else value


def typed_text(source: InputField, value: Any) -> str:
    """What people type for a value of a spec."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}={_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(typed_text(source, one) for one in value)
    if source.is_fraction:
        return f"{100 * value:.10g}"
    return f"{value / MEBIBYTE:.10g}" if source.how.unit is Unit.BYTES else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
