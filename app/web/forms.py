"""The form of a new job: the constraint spec that it asks for, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from app.web.form_fields import FIELDS, FormField, fields_for
from app.web.form_values import parsed, typed_text, wanted
from primesvt_client.inputs import InputField, Kind
from primesvt_client.presets import given
from primesvt_core import spec
from primesvt_core.errors import SpecError

DEFAULTS: Mapping[str, str] = {"max_accuracy_drop": "3"}


@dataclass(frozen=True)
class Reading:
    """A form as read: the spec, and per field what is wrong (``""`` for what is no single field's fault)."""

    spec: dict[str, JsonValue]
    errors: dict[str, str] = field(default_factory=dict)


def read(values: Mapping[str, str]) -> Reading:
    """Make the spec that a form asks for, and check it."""
    document: dict[str, Any] = {"budget": {}}
    errors: dict[str, str] = {}
    fields = fields_for(values)
    for entry in fields:
        typed = values.get(entry.name, "").strip()
        if not typed:
            continue
        try:
            _put(document, entry.source, parsed(entry.source, typed))
        except (ValueError, OverflowError):
            errors[entry.name] = f"{typed[:40]!r} is not what belongs here: {wanted(entry.source)}."
    if not errors:
        errors = _check(document, fields)
    return Reading(document, errors)


def _check(document: Mapping[str, Any], fields: Sequence[FormField]) -> dict[str, str]:
    try:
        spec.parse(document)
    except SpecError as error:
        told = error.facts.get("problems")
        lines = [str(line) for line in told] if isinstance(told, list) else [f"spec: {error.message}"]
        return dict(_blame(line, fields) for line in reversed(lines))
    return {}


def _blame(line: str, fields: Sequence[FormField]) -> tuple[str, str]:
    """The field at fault and what is wrong with it."""
    path, _, message = line.partition(": ")
    for entry in fields:
        if path == entry.path or path.startswith(entry.path + "."):
            return entry.name, f"{message}."
    return "", NO_BUDGET if path == "budget" else f"{path}: {message}."


NO_BUDGET = "Set at least one limit of the budget."


def _put(document: dict[str, Any], source: InputField, value: JsonValue) -> None:
    *parents, last = source.path
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = {**value, **document.get(last, {})} if isinstance(value, dict) else value


def values_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What a form must hold to ask for a spec again; what its preset sets is left to the preset."""
    fields, document = fields_for(document), given(document)
    found = {entry.name: typed_text(entry.source, _get(document, entry.source)) for entry in fields}
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
