"""Enough of JSON Schema to hold a document to a published schema: what pydantic writes, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda x: isinstance(x, dict),
    "array": lambda x: isinstance(x, list),
    "string": lambda x: isinstance(x, str),
    "boolean": lambda x: isinstance(x, bool),
    "null": lambda x: x is None,
    "integer": lambda x: isinstance(x, int) and not isinstance(x, bool),
    "number": lambda x: isinstance(x, int | float) and not isinstance(x, bool),
}
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda x, bound: x >= bound,
    "maximum": lambda x, bound: x <= bound,
    "exclusiveMinimum": lambda x, bound: x > bound,
    "exclusiveMaximum": lambda x, bound: x < bound,
    "const": lambda x, wanted: x == wanted,
    "enum": lambda x, wanted: x in wanted,
    "minItems": lambda x, bound: len(x) >= bound,
    "maxItems": lambda x, bound: len(x) <= bound,
    "minLength": lambda x, bound: len(x) >= bound,
    "maxLength": lambda x, bound: len(x) <= bound,
    "pattern": lambda x, wanted: re.search(wanted, x) is not None,
}
STRUCTURE = {"$ref", "anyOf", "type", "properties", "required", "additionalProperties", "items", "prefixItems",
             "patternProperties"}  # fmt: skip
REMARKS = {"title", "description", "default", "$defs", "examples", "propertyNames"}


def problems(document: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "$") -> list[str]:
    """Everything about a document that its schema does not allow."""
    return [*_problems(document, schema, schema if root is None else root, at)]


def _problems(document: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    unknown = schema.keys() - BOUNDS.keys() - STRUCTURE - REMARKS
    assert not unknown, f"this reader does not know {unknown}"
    if "$ref" in schema:
        yield from _problems(document, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, at)
        return
    if "anyOf" in schema:
        found = [problems(document, choice, root, at) for choice in schema["anyOf"]]
        if all(found):
            yield from min(found, key=len)
        return
    if "type" in schema and not TYPES[schema["type"]](document):
        yield f"{at} is no {schema['type']}"
        return
    yield from (
        f"{at} breaks {key} {schema[key]}" for key in BOUNDS.keys() & schema if not BOUNDS[key](document, schema[key])
    )
    if isinstance(document, dict):
        yield from _object_problems(document, schema, root, at)
    elif isinstance(document, list):
        firsts = schema.get("prefixItems", [])
        kinds = firsts + [schema.get("items", {})] * (len(document) - len(firsts))
        for number, (item, kind) in enumerate(zip(document, kinds, strict=False)):
            yield from _problems(item, kind, root, f"{at}[{number}]")


def _object_problems(document: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in document)
    fields, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    patterns = schema.get("patternProperties", {})
    for name, value in document.items():
        fitting = (kind for pattern, kind in patterns.items() if re.search(pattern, name))
        kind = fields.get(name, next(fitting, others))
        if kind is False:
            yield f"{at}.{name} is unknown"
        elif kind is not True:
            yield from _problems(value, kind, root, f"{at}.{name}")
