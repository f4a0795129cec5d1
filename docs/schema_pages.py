"""Pages made from JSON Schemas: one table a model, with types that link to the models that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

MADE = "Made from the code by `make docs`."


def page(title: str, intro: str, schema: Schema) -> str:
    """A page about one model: its fields, then the models that they name."""
    models = {schema["title"]: schema, **schema.get("$defs", {})}
    return "\n".join([f"# {title}\n", f"{MADE} {intro}\n", *described(models)]).rstrip() + "\n"


def described(models: Mapping[str, Schema]) -> Iterator[str]:
    """Every model with a heading, its description and its fields."""
    for name, model in models.items():
        yield f"## {name}\n"
        if text := _line(model.get("description", "")):
            yield f"{text}\n"
        if "properties" in model:
            yield f"{_fields(model)}\n"
        elif "enum" in model:
            yield f"One of {', '.join(f'`{value}`' for value in model['enum'])}.\n"


def _fields(model: Schema) -> str:
    needed = model.get("required", ())
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for name, field in model["properties"].items():
        default = "needed" if name in needed else default_text(field)
        text = " ".join(part for part in (_line(field.get("description", "")), bounds(field)) if part)
        rows.append(f"| `{name}` | {type_text(field)} | {default} | {cell(text)} |")
    return "\n".join(rows)


def type_text(schema: Schema) -> str:
    """A type as the tables name it."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(type_text(one) for one in schema[several]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    return _plain(schema)


def _plain(schema: Schema) -> str:
    match schema.get("type"):
        case "array":
            inner = schema.get("prefixItems") or [schema.get("items", {})]
            return f"list of {', '.join(type_text(one) for one in inner)}"
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return f"object of {type_text(schema['additionalProperties'])}"
        case str(kind):
            return f"{kind} ({schema['format']})" if "format" in schema else kind
    return "any"


BOUNDS = {
    "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
    "minLength": "characters at least", "maxLength": "characters at most", "minItems": "entries at least",
    "maxItems": "entries at most",
}  # fmt: skip


def bounds(field: Schema) -> str:
    """What a value may be beside its type, in words."""
    kinds = [field, *(one for one in field.get("anyOf", ()) if "$ref" not in one)]
    found = [f"{words} {kind[key]:,}" for kind in kinds for key, words in BOUNDS.items() if key in kind]
    return f"({'; '.join(found)})" if found else ""


def default_text(field: Schema) -> str:
    """What holds if a value is not given, as JSON; empty where the schema does not say."""
    if "default" not in field:
        return ""
    default = field["default"]
    if isinstance(default, Mapping):  # of a model; what is null is not given
        default = {name: value for name, value in default.items() if value is not None}
    return f"`{cell(json.dumps(default, ensure_ascii=False))}`"


def _line(text: str) -> str:
    return " ".join(text.split())


def cell(text: str) -> str:
    """A text that may stand in a table."""
    return text.replace("|", "\\|")
