"""Values of a spec as people type them in the form: percent, points, MiB and lists, read and written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from primesvt_client.inputs import InputField, Kind, Unit
from primesvt_client.options import entry_value, scalar

MEBIBYTE = 1 << 20


def typed_text(source: InputField, value: Any) -> str:
    """What people type for a value of a spec."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}={_entry_text(source, one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        if source.kind is Kind.ORDER and any("," in name or name.startswith("[") for name in value):
            return json.dumps(value, ensure_ascii=False)
        between = ":" if source.kind is Kind.RANGE else ", "
        return between.join(typed_text(source, one) for one in value)
    if source.is_fraction:
        return f"{100 * value:.10g}"
    return f"{value / MEBIBYTE:.10g}" if source.how.unit is Unit.BYTES else _plain(value)


def _entry_text(source: InputField, value: Any) -> str:
    return f"{100 * value:.10g}" if source.is_fraction and isinstance(value, int | float) else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


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
        found[name.strip()] = _scaled(source, value) if source.is_fraction else entry_value(source, value.strip())
    return found


def _order(source: InputField, typed: str) -> Any:
    """One of the choices, or names: separated by commas, or as a JSON list if they have commas themselves."""
    if typed in source.choices:
        return typed
    return json.loads(typed) if typed.startswith("[") else [name.strip() for name in typed.split(",") if name.strip()]


def parsed(source: InputField, typed: str) -> Any:
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
    Kind.RANGE: lambda _, typed: [_number(bound) for bound in typed.split(":")],
    Kind.TEXTS: lambda _, typed: [name.strip() for name in typed.split(",") if name.strip()],
    Kind.MAPPING: _mapping,
    Kind.ORDER: _order,
    Kind.TEXT: lambda _, typed: typed,
    Kind.SCALAR: lambda _, typed: scalar(typed),
    Kind.LIST: lambda _, typed: [scalar(part) for part in _parts(typed)],
    Kind.CHOICE: lambda _, typed: typed,
    Kind.SWITCH: lambda _, typed: typed == "true",
}


def wanted(source: InputField) -> str:
    """What should have been typed."""
    of = {Unit.PERCENT: " of percent", Unit.POINTS: " of points", Unit.BYTES: " of MiB"}.get(source.how.unit, "")
    match source.kind:
        case Kind.NUMBERS:
            return f"numbers{of}, separated by commas"
        case Kind.RANGE:
            return "two numbers, LOW:HIGH"
        case Kind.MAPPING:
            return f"NAME=VALUE{' with numbers' + of if of else ''}, separated by semicolons"
        case Kind.ORDER:
            return "natural, plain, or all classes separated by commas"
        case Kind.INTEGER if not of:
            return "a whole number"
        case _:
            return f"a number{of}"
