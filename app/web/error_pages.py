"""Errors as pages for browsers; other clients get the API's problems."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from app.api.problem import status_of
from app.errors import DomainError, ProofNeeded
from app.storage import StoreUnavailable
from app.web.rendering import HEADERS, is_fragment, page
from app.web.sessions import SignInRequired, identify_user, safe_path, sign_in_path
from primesvt_core.errors import PrimeSVTError

Handler = Callable[[Request, Exception], Any]

TITLES = {
    400: "Invalid request",
    403: "Not allowed",
    404: "Not found",
    409: "Not possible in the current state",
    413: "Too large",
    429: "Too many requests",
    500: "Internal error",
    503: "Temporarily unavailable",
    507: "No room left",
}
FORWARDED = ("Allow", "Retry-After")
"""Header fields of a problem that its page has, too."""

KINDS = (
    DomainError, PrimeSVTError, RequestValidationError, HTTPException, SQLAlchemyError, StoreUnavailable, OSError,
    Exception,
)  # fmt: skip
UNKNOWN_PAGE = "This page does not exist."
INTERNAL_ERROR = "An internal error occurred. Try again, or contact the operator; the server's log has the details."


def install(app: FastAPI) -> None:
    """Answer browsers with pages; call it after the API's own handlers are installed."""
    for kind in KINDS:
        app.add_exception_handler(kind, _for_browsers(app.exception_handlers[kind]))
    app.add_exception_handler(SignInRequired, _to_sign_in)
    app.add_exception_handler(ProofNeeded, _for_forms(_to_confirm, app.exception_handlers[DomainError]))


def _to_sign_in(request: Request, error: Exception) -> Response:
    path = sign_in_path(request)
    if is_fragment(request):
        return Response(status_code=401, headers={**HEADERS, "HX-Redirect": "/sign-in"})
    if _wants_page(request) or request.method == "GET":
        return RedirectResponse(path, 303, HEADERS)
    return Response("the session has ended; sign in again", 401, HEADERS, "text/plain")


def _to_confirm(request: Request, error: Exception) -> Response:
    """To the page on which somebody proves that it is they, and from there back to the one with the form."""
    back = urlsplit(request.headers.get("referer", ""))
    path = safe_path(back.path or "/") if back.netloc == request.headers.get("host") else "/"
    return RedirectResponse(f"/account/confirm?next={quote(path, safe='')}", 303, HEADERS)


def _for_browsers(answer_as_problem: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        response = answer_as_problem(request, error)  # also logs internal errors
        if isinstance(response, Awaitable):
            response = await response
        return _page_of(request, error, response) if _wants_page(request) else response

    return answer


def _for_forms(answer: Handler, otherwise: Handler) -> Handler:
    async def choose(request: Request, error: Exception) -> Response:
        response = answer(request, error) if _wants_page(request) else otherwise(request, error)
        found: Response = await response if isinstance(response, Awaitable) else response
        return found

    return choose


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def _page_of(request: Request, error: Exception, problem: Response) -> Response:
    status, detail = _status_and_detail(error, problem)
    try:
        user = identify_user(request, request.app.state.services) if status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    except (SignInRequired, SQLAlchemyError):  # the page says what is wrong to whoever it is
        user = None
    title = TITLES.get(status, HTTPStatus(status).phrase)
    code = json.loads(bytes(problem.body))["code"]
    answer = page(request, "error.html", status, title=title, status=status, code=code, detail=detail, user=user)
    answer.headers.update({name: problem.headers[name] for name in FORWARDED if name in problem.headers})
    return answer


def _status_and_detail(error: Exception, problem: Response) -> tuple[int, str]:
    if isinstance(error, DomainError | PrimeSVTError):
        return status_of(error), error.message
    if isinstance(error, RequestValidationError):
        return 422, "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
    if isinstance(error, HTTPException):
        is_plain = error.detail == HTTPStatus(error.status_code).phrase
        return (
            error.status_code,
            UNKNOWN_PAGE if error.status_code == HTTPStatus.NOT_FOUND and is_plain else error.detail,
        )
    if problem.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:  # of database or storage
        return problem.status_code, json.loads(bytes(problem.body))["detail"]
    return 500, INTERNAL_ERROR
