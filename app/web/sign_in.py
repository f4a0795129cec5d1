"""Signing in with an API key, and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from app.api.deps import SESSION_COOKIE, Found
from app.errors import InvalidKey
from app.web.rendering import HEADERS, page
from app.web.sessions import FOREIGN_FORM, FormSender, SignInNeeded, is_same_origin, keep_session, recognise, safe_next

router = APIRouter(include_in_schema=False)

WRONG_KEY = (
    "No such key, or it is revoked. The command primesvt serve prints the first one, once, when it starts for the"
    " first time."
)


@router.get("/sign-in")
def show_sign_in(
    request: Request, found: Found, next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """The form; somebody who is signed in goes on at once."""
    try:
        recognise(request, found)
    except SignInNeeded:
        return page(request, "sign_in.html", next_page=safe_next(next_page), problem="")
    return RedirectResponse(safe_next(next_page), 303, HEADERS)


@router.post("/sign-in")
def sign_in(
    request: Request,
    found: Found,
    key: Annotated[str, Form(max_length=500)] = "",
    next_page: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Trade an API key for a session."""
    if not is_same_origin(request):  # another site must not sign somebody in as somebody else
        raise HTTPException(403, FOREIGN_FORM)
    try:
        session = found.sessions.open(found.keys.authenticate(key.strip()))
    except InvalidKey:
        return page(request, "sign_in.html", 422, next_page=safe_next(next_page), problem=WRONG_KEY)
    response = RedirectResponse(safe_next(next_page), 303, HEADERS)
    keep_session(request, response, session)
    return response


@router.post("/sign-out")
def sign_out(request: Request, who: FormSender, found: Found) -> Response:
    """End the session, here and wherever its cookie was copied to."""
    found.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse("/sign-in", 303, HEADERS)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response
