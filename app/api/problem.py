"""Errors as RFC 9457 problems: every class has one status, found along its MRO."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from app import errors
from app.api.request_metrics import route_of
from app.api.security_headers import HEADERS
from app.db import is_away, is_full
from app.storage import FULL, BlobMissing, StoreFull, StoreUnavailable
from primesvt_client.errors import without_type
from primesvt_client.problems import FieldProblem, Problem
from primesvt_core.errors import PrimeSVTError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[Exception], int] = {
    errors.DomainError: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Invalid: 422,
    errors.InvalidCursor: 400,
    errors.TooLarge: 413,
    errors.InvalidKey: 401,
    errors.Forbidden: 403,
    errors.RateLimited: 429,
    errors.ProviderUnreachable: 502,
    errors.LostClaim: 409,
    PrimeSVTError: 422,
    BlobMissing: 404,
    StoreUnavailable: 503,
    StoreFull: 507,
}
RETRY_SECONDS = 5
FULL_RETRY_SECONDS = 60


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the problems an operation may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def status_of(error: Exception) -> int:
    """The status of an error's class, or of the nearest class above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    fields: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
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
    challenge = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    # A client's text is echoed, and may hold halves of surrogate pairs, which only escaped JSON can carry.
    body = json.dumps(problem.model_dump(), ensure_ascii=True)
    return Response(body, status, {**HEADERS, **challenge, **(headers or {})}, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error with a problem."""
    app.add_exception_handler(errors.DomainError, _on_domain)
    app.add_exception_handler(PrimeSVTError, _on_library)
    app.add_exception_handler(BlobMissing, _on_missing)
    app.add_exception_handler(StoreUnavailable, _on_storage)
    app.add_exception_handler(SQLAlchemyError, _on_database)
    app.add_exception_handler(OSError, _on_disk)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_anything)


def _on_domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.DomainError)  # noqa: S101  # what it is registered for
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, errors.RateLimited) else {}
    return answer(request, status_of(error), error.code, error.message, headers=headers)


def _on_library(request: Request, error: Exception) -> Response:
    assert isinstance(error, PrimeSVTError)  # noqa: S101
    problems = error.facts.get("problems")
    pairs = [str(line).partition(": ") for line in problems] if isinstance(problems, list) else []
    fields = [FieldProblem(field=f"spec.{name}", detail=detail) for name, _, detail in pairs]
    return answer(request, status_of(error), error.error_code, error.message, fields)


def _on_missing(request: Request, error: Exception) -> Response:
    return answer(request, status_of(error), errors.NotFound.code, "the file was just deleted")


def _on_storage(request: Request, error: Exception) -> Response:
    log.error("storage_failed", extra={"route": route_of(request.scope), "reason": str(error)})
    if isinstance(error, StoreFull):
        return _full(request)
    detail = "the server's storage does not answer; try again in a moment"
    return answer(request, status_of(error), "storage_unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, SQLAlchemyError)  # noqa: S101
    if not (is_away(error) or is_full(error)):
        return _on_anything(request, error)
    reason = str(getattr(error, "orig", None) or error)
    log.error("database_failed", extra={"route": route_of(request.scope), "reason": reason})
    if is_full(error):
        return _full(request)
    detail = "the server's database does not answer; try again in a moment"
    return answer(request, 503, "database_unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _on_disk(request: Request, error: Exception) -> Response:
    """A full disk, wherever it was noticed; other faults of disks stay what they are."""
    assert isinstance(error, OSError)  # noqa: S101
    if error.errno not in FULL:
        raise error
    log.error("storage_failed", extra={"route": route_of(request.scope), "reason": str(error)})
    return _full(request)


def _full(request: Request) -> Response:
    detail = "the server's storage is full; try again later, or contact its operator"
    return answer(request, 507, "storage_full", detail, headers={"Retry-After": str(FULL_RETRY_SECONDS)})


def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = [FieldProblem(field=".".join(map(str, e["loc"])), detail=without_type(e["msg"])) for e in error.errors()]
    detail = "; ".join(f"{f.field}: {f.detail}" for f in fields) or "the request is invalid"
    return answer(request, 422, "invalid_request", detail, fields)


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = HTTPStatus(error.status_code).name.lower()
    headers = {**(error.headers or {}), **_allowed(request, error.status_code)}
    return answer(request, error.status_code, code, str(error.detail), headers=headers)


def _allowed(request: Request, status: int) -> dict[str, str]:
    """``Allow`` with the methods of all routes of the path, not of the first alone."""
    if status != HTTPStatus.METHOD_NOT_ALLOWED:
        return {}
    methods: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return {"Allow": ", ".join(sorted(methods))}


def _on_disconnect(request: Request, _error: Exception) -> Response:
    # Nobody receives this; the log must not count it as a fault of the server.
    return answer(request, 400, "disconnected", "the client disconnected before its request was complete")


def _on_anything(request: Request, error: Exception) -> Response:
    request_id = getattr(request.state, "request_id", "")
    log.error("request_failed", exc_info=error, extra={"route": route_of(request.scope), "request_id": request_id})
    detail = "an internal error occurred; the server's log has the details"
    return answer(request, 500, "internal_error", detail, headers={"X-Request-ID": request_id} if request_id else {})
