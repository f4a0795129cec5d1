"""A constraint spec as the options of a command line that give it: the inverse of `options`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from primesvt_client.inputs import InputField, Kind
from primesvt_client.options import FIELDS, entry_value
from primesvt_client.presets import DEFAULT_PRESET, given

NUMBERS = (Kind.INTEGER, Kind.NUMBER)


def options_of(spec: Mapping[str, Any]) -> list[str] | None:
    """The options that give a spec; what its preset sets anyway is left out.

    Args:
        spec: its document, as a job has it.

    Returns:
        Words of a command line; None if no options can give it, but a file (``--spec``).
    """
    left = copy.deepcopy(given(spec))
    if left.get("preset") == DEFAULT_PRESET:
        del left["preset"]
    words: list[str] = []
    for field in FIELDS.values():
        value = _take(left, field)
        written = [] if value is None or value in ([], {}) else _written(field, value)
        if written is None:
            return None
        words += written
    return None if _is_any(left) else words


def _take(document: dict[str, Any], field: InputField) -> Any:
    """The value of a field, which is not in the document any more; None if it was not."""
    node: Any = document
    for key in field.path[:-1]:
        node = node.get(key) if isinstance(node, dict) else None
    value = node.get(field.path[-1]) if isinstance(node, dict) else None
    if not isinstance(node, dict) or (field.kind in NUMBERS and isinstance(value, str)):
        return None  # a text in place of a number stays among the entries of its mapping
    node.pop(field.path[-1], None)
    return value


def _is_any(document: object) -> bool:
    """Whether a document says anything."""
    if isinstance(document, dict):
        return any(map(_is_any, document.values()))
    return document is not None and document != []


def _written(field: InputField, value: Any) -> list[str] | None:
    """A field as words; None where no option can say that."""
    option = field.option
    match field.kind:
        case Kind.SWITCH:
            return [option if value else f"--no-{option[2:]}"]
        case Kind.NUMBERS:
            return [option, ",".join(map(_text, value))]
        case Kind.RANGE:
            return [option, ":".join(map(_text, value))]
        case Kind.TEXTS:
            return [word for one in value for word in (option, str(one))]
        case Kind.MAPPING:
            return _entries(field, value)
        case Kind.ORDER if not isinstance(value, str):
            return None  # the command line has it in a file of its own
        case _:
            return [option, _text(value)] if isinstance(value, bool | int | float | str) else None


def _entries(field: InputField, value: Any) -> list[str] | None:
    words: list[str] = []
    for name, one in value.items():
        text = ",".join(map(_text, one)) if isinstance(one, list | tuple) else _text(one)
        if "=" in name or entry_value(field, text) != one:
            return None
        words += [field.option, f"{name}={text}"]
    return words


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
