"""Errors as RFC 9457 problems: every class has one status, found along its MRO."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app import errors
from primesvt_core.errors import PrimeSVTError, SpecError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[Exception], int] = {
    errors.DomainError: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IdempotencyConflict: 409,
    errors.Invalid: 422,
    errors.InvalidCursor: 400,
    errors.TooLarge: 413,
    errors.InvalidKey: 401,
    errors.LostClaim: 409,
    PrimeSVTError: 422,
    SpecError: 422,
}


class FieldProblem(BaseModel):
    """One field of the request that is wrong."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error, after RFC 9457."""

    type: str = Field(description="about:blank, or a URI of the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, where, and what to do.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable; what scripts compare.")
    errors: list[FieldProblem] = []


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the problems an operation may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def status_of(error: Exception) -> int:
    """The status of an error's class, or of the nearest class above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(
    request: Request, status: int, code: str, detail: str, fields: list[FieldProblem] | None = None
) -> JSONResponse:
    """A problem as a response."""
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        code=code,
        errors=fields or [],
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(problem.model_dump(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error with a problem."""

    def on_domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.DomainError)  # noqa: S101  # what it is registered for
        return answer(request, status_of(error), error.code, error.message)

    def on_library(request: Request, error: Exception) -> Response:
        assert isinstance(error, PrimeSVTError)  # noqa: S101
        told = error.facts.get("problems")
        pairs = [str(line).partition(": ") for line in told] if isinstance(told, list) else []
        fields = [FieldProblem(field=f"spec.{name}", detail=detail) for name, _, detail in pairs]
        return answer(request, status_of(error), error.error_code, error.message, fields)

    def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        fields = [FieldProblem(field=".".join(map(str, e["loc"])), detail=e["msg"]) for e in error.errors()]
        detail = "; ".join(f"{f.field}: {f.detail}" for f in fields) or "the request is wrong"
        return answer(request, 422, "invalid_request", detail, fields)

    def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        code = HTTPStatus(error.status_code).name.lower()
        return answer(request, error.status_code, code, str(error.detail))

    def on_anything(request: Request, error: Exception) -> Response:
        log.error("request_failed", exc_info=error, extra={"path": request.url.path})
        return answer(request, 500, "internal_error", "something went wrong in the server; its log says what")

    app.add_exception_handler(errors.DomainError, on_domain)
    app.add_exception_handler(PrimeSVTError, on_library)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_anything)
