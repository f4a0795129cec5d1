"""Keywords of the library's functions as a constraint spec: those of its fields, which are declared once."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from primesvt_client.inputs import InputField, Kind, input_fields
from primesvt_client.options import READING, SEARCHING, Reading
from primesvt_core import spec as specs
from primesvt_core.errors import SpecError

SpecSource = str | Path | Mapping[str, Any]
"""A constraint spec: a YAML or JSON file, or its document."""

KEYWORDS: Mapping[str, InputField] = {
    field.keyword: field for field in input_fields(specs.CompressionSpec) if field.how.on_command
}
"""The fields that are keywords; others, which few need, are given in a document."""

FOR_READING = frozenset(name for name, field in KEYWORDS.items() if field.path[0] in READING)
FOR_PRUNING = frozenset(name for name, field in KEYWORDS.items() if field.place not in SEARCHING)
FOR_COMPRESSION = frozenset(KEYWORDS)


def spec_document(
    function: str, given: Mapping[str, object], taken: frozenset[str], spec: SpecSource | None = None
) -> dict[str, Any]:
    """A spec's document: the one that is given, with keywords laid over it; not validated.

    Args:
        function: that was called, for errors.
        given: keywords; None where one is not given.
        taken: keywords that it takes.
        spec: a file or a document.

    Raises:
        TypeError: if it takes no such keyword.
        SpecError: if the file cannot be read.
    """
    for name in given:
        if name not in taken:
            raise TypeError(f"{function}() takes no keyword {name!r}{_instead(name, taken)}")
    document = _document(spec)
    for name, field in reversed([*KEYWORDS.items()]):  # entries of a mapping come before it, and override it
        if (value := given.get(name)) is not None:
            _lay_over(document, field, value)
    return document


def reading(function: str, given: Mapping[str, object]) -> Reading:
    """How inputs are read, where nothing is compressed.

    Args:
        function: that was called, for errors.
        given: keywords.

    Raises:
        TypeError: if it takes no such keyword.
        SpecError: if a value is wrong.
    """
    document = spec_document(function, given, FOR_READING)
    specs_of = {name: document[name] for name in READING & document.keys()}
    checked = specs.parse({"budget": {"min_memory_saving": 0.0}, **specs_of})
    return Reading(
        assumptions=checked.assumptions, container=checked.container, classes=checked.class_reading,
        pixels=checked.pixel_reading,
    )  # fmt: skip


def _instead(name: str, taken: frozenset[str]) -> str:
    """Where a field is that few need, or what may have been meant."""
    of_document = [*specs.CompressionSpec.model_fields, "fine_tuning", "splits"]
    if name in of_document and name not in KEYWORDS:
        return f"; give it in a document: spec={{{name!r}: ...}}"
    near = get_close_matches(name, taken, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(sorted(taken))}"


def _document(spec: SpecSource | None) -> dict[str, Any]:
    if spec is None:
        return {}
    if isinstance(spec, str | Path):
        return dict(specs.read_document(Path(spec)))
    return cast("dict[str, Any]", _copied(spec))


def _copied(value: object) -> object:
    """A document as its own lists and dictionaries: keywords are laid over it, and tuples are lists in JSON."""
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def _lay_over(document: dict[str, Any], field: InputField, value: object) -> None:
    """A keyword overrides the document's field; a mapping's, entry by entry."""
    if field.kind is Kind.MAPPING and not isinstance(value, Mapping):
        raise SpecError(f"{field.keyword} is a mapping, not {value!r}; give a dictionary")
    *parents, last = field.path
    node: dict[str, JsonValue] = document
    for key in parents:
        inner = node.setdefault(key, {})
        if not isinstance(inner, dict):
            raise SpecError(f"{key} in the constraint spec is no mapping of fields")
        node = inner
    before = node.get(last)
    new = _copied(value)
    both = {**before, **new} if isinstance(before, dict) and isinstance(new, dict) else new
    node[last] = cast("JsonValue", both)
