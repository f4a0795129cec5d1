"""Additions to the OpenAPI document that FastAPI derives from the signatures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.problem import responses
from primesvt_client.problems import Problem

METHODS = frozenset({"get", "head", "put", "post", "patch", "delete"})
REFERENCE = "#/components/schemas/{model}"

BINARY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

CSV: dict[str, Any] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
"""A response that is a table."""


def header(description: str) -> dict[str, Any]:
    """A response header."""
    return {"description": description, "schema": {"type": "string"}}


Responses = dict[int | str, dict[str, Any]]


def with_headers(status: int, **descriptions: str) -> Responses:
    """A response and its headers; underscores in their names stand for hyphens."""
    return {status: {"headers": {name.replace("_", "-"): header(text) for name, text in descriptions.items()}}}


def operation_id(route: APIRoute) -> str:
    """The function's name: generated clients name the operation after it."""
    return route.name


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its method."""
    for item in schema["paths"].values():
        yield from ((method, operation) for method, operation in item.items() if method in METHODS)


def describe(app: FastAPI) -> None:
    """Say in its document what FastAPI does not find; made when first asked for, as it takes longer than all the rest
    of a start.
    """
    plain = app.openapi

    @cache
    def whole() -> dict[str, Any]:
        schema = plain()
        _complete(schema)
        return schema

    app.openapi = whole  # type: ignore[method-assign]


def _complete(schema: dict[str, Any]) -> None:
    """Put the problem's schema where the operations' responses refer to it."""
    for method, operation in _operations(schema):
        found = responses(401, 403, 429) if operation.get("security") else responses(429)
        if "application/json" in operation.get("requestBody", {}).get("content", ()):
            found |= responses(400, 413, 415)  # malformed JSON, too large, or another media type
        operation["responses"] |= {str(status): response for status, response in found.items()}
        if method == "head":  # of whose answers none has a body
            every = operation["responses"].items()
            operation["responses"] = {
                status: {name: part for name, part in response.items() if name != "content"}
                for status, response in every
            }
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    described = Problem.model_json_schema(ref_template=REFERENCE)
    components |= described.pop("$defs", {})
    components["Problem"] = described
    for leftover in ("HTTPValidationError", "ValidationError"):  # FastAPI's own errors, which are never sent
        components.pop(leftover, None)
    for _, operation in _operations(schema):
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _without_null(parameter["schema"])


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an optional parameter: values in paths, queries and headers are never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **kinds[0]}
