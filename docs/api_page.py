"""The page of the REST API, made from the OpenAPI document with which the service describes itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from app.factory import create_app
from app.settings import Settings
from docs.schema_pages import MADE, bounds, cell, default_text, described, type_text

METHODS = ("get", "put", "post", "patch", "delete")
INTRO = """The same as a document for machines: `/api/v1/openapi.json` of a running service, OpenAPI 3.1. Who may do
what is explained in [Who may do what](access.md). Errors are RFC 9457 problems, whose `code` is stable.
"""

Operation = Mapping[str, Any]


def openapi() -> Mapping[str, Any]:
    """The document of an application that nobody uses."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder)))
        try:
            return app.openapi()
        finally:
            app.state.services.database.engine.dispose()


def api() -> str:
    """Every operation by what it is about, then every model."""
    document = openapi()
    parts = [f"# REST API\n\n{MADE} {INTRO}"]
    for noun, operations in groupby(_operations(document), key=lambda one: one[0]):
        parts.append(f"## Operations on {noun}\n")
        parts += [_described(method, path, operation) for _, method, path, operation in operations]
    parts += described(dict(sorted(document["components"]["schemas"].items())))
    return "\n".join(parts).rstrip() + "\n"


def _operations(document: Mapping[str, Any]) -> list[tuple[str, str, str, Operation]]:
    """What each operation is about, its method, path and description, in this order."""
    found = [
        (_noun(path), method, path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    return sorted(found, key=lambda one: (one[0], one[2], METHODS.index(one[1])))


def _noun(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[2].removesuffix(".csv") if parts[:1] == ["api"] and len(parts) > 2 else "the service"


def _described(method: str, path: str, operation: Operation) -> str:
    lines = [f"### {operation['operationId']}\n", f"`{method.upper()} {path}`\n"]
    if text := " ".join((operation.get("description") or operation.get("summary", "")).split()):
        lines.append(f"{text}\n")
    scopes = [scope for scheme in operation.get("security", ()) for named in scheme.values() for scope in named]
    if scopes:
        lines.append(f"Needs {', '.join(f'`{scope}`' for scope in dict.fromkeys(scopes))}.\n")
    lines += _parameters(operation)
    lines += [f"Body: {text}\n" for text in _contents(operation.get("requestBody", {}))]
    lines += _responses(operation)
    return "\n".join(lines)


def _parameters(operation: Operation) -> Iterator[str]:
    parameters = operation.get("parameters", ())
    if parameters:
        rows = ["| parameter | in | type | default | |", "|---|---|---|---|---|"]
        for one in parameters:
            schema = one["schema"]
            told = " ".join(one.get("description", schema.get("description", "")).split())
            text = cell(" ".join(part for part in (told, bounds(schema)) if part))
            default = "needed" if one.get("required") else default_text(schema)
            rows.append(f"| `{one['name']}` | {one['in']} | {type_text(schema)} | {default} | {text} |")
        yield "\n".join([*rows, ""])


def _contents(body: Mapping[str, Any]) -> Iterator[str]:
    for media, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        yield f"`{media}`, {type_text(schema)}" if schema else f"`{media}`"


def _responses(operation: Operation) -> Iterator[str]:
    rows = ["| status | | content |", "|---|---|---|"]
    for status, response in sorted(operation["responses"].items()):
        text = " ".join(response.get("description", "").split())
        rows.append(f"| {status} | {cell(text)} | {'; '.join(_contents(response))} |")
    yield "\n".join([*rows, ""])
