"""Signing in with a password or an API key, and out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from app.api.deps import SESSION_COOKIE, Found, count, network_of_request
from app.errors import DomainError, InvalidKey, NotAMember, RateLimited, WrongPassword
from app.services import Services
from app.teams.records import Principal
from app.web.rendering import HEADERS, page
from app.web.routing import Pages
from app.web.sessions import FOREIGN_FORM, Anybody, FormSender, is_same_origin, keep_session, safe_next

router = Pages()

WRONG_KEY = (
    "No such key, or it is revoked. The command primesvt serve prints the first one, once, when it starts for the"
    " first time."
)


@router.get("/sign-in")
def show_sign_in(
    request: Request, found: Found, who: Anybody, next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """The form; somebody who is signed in goes on at once."""
    if who is None:
        return sign_in_page(request, found, next_page)
    return RedirectResponse(safe_next(next_page), 303, HEADERS)


def sign_in_page(
    request: Request, found: Services, next_page: str, problem: str = "", email: str = "", status: int = 200
) -> Response:
    """The sign-in, with what was wrong with the last attempt."""
    provider = found.settings.oidc_name if found.settings.oidc_issuer else ""
    target = safe_next(next_page)
    return page(request, "sign_in.html", status, next_page=target, problem=problem, email=email, provider=provider)


@router.post("/sign-in")
def sign_in(
    request: Request,
    found: Found,
    key: Annotated[str, Form(max_length=500)] = "",
    email: Annotated[str, Form(max_length=300)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next_page: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Trade a password or an API key for a session."""
    if not is_same_origin(request):  # another site must not sign somebody in as somebody else
        raise HTTPException(403, FOREIGN_FORM)
    try:
        count_attempt(request, found, email)
        who = found.keys.authenticate(key.strip()) if key else found.people.sign_in(email, password)
    except (InvalidKey, NotAMember, RateLimited) as error:
        return _refused(request, found, next_page, error, email)
    return signed_in(request, found, who, next_page)


def _refused(request: Request, found: Services, next_page: str, error: DomainError, email: str) -> Response:
    is_of_key = isinstance(error, InvalidKey) and not isinstance(error, WrongPassword)
    status = 429 if isinstance(error, RateLimited) else 422
    response = sign_in_page(request, found, next_page, WRONG_KEY if is_of_key else error.message, email, status)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def count_attempt(request: Request, found: Services, email: str = "") -> None:
    """Count somebody's attempt to sign in, by where they are and by whom they say to be.

    Raises:
        RateLimited: there were too many.
    """
    count(request, found.limiter.places, network_of_request(request), found)
    if email:
        count(request, found.limiter.sign_ins, email.strip().lower(), found)


def signed_in(request: Request, found: Services, who: Principal, next_page: str) -> Response:
    """Where somebody was going, with a session of theirs; who is in several teams chooses one first."""
    has_choice = who.user_id is not None and len(found.members.teams_of(who.user_id)) > 1
    target = safe_next(next_page)
    return with_session(request, found, who, f"/account/teams?next={quote(target, safe='')}" if has_choice else target)


def with_session(request: Request, found: Services, who: Principal, address: str) -> Response:
    """The way to an address of ours, with a new session of somebody; one that the browser had ends."""
    response = RedirectResponse(address, 303, HEADERS)
    keep_session(request, response, found.sessions.open(who))
    found.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    return response


@router.post("/sign-out")
def sign_out(request: Request, who: FormSender, found: Found) -> Response:
    """End the session, here and wherever its cookie was copied to."""
    found.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    return signed_out()


def signed_out() -> Response:
    """The sign-in, with the session's cookie taken away."""
    response = RedirectResponse("/sign-in", 303, HEADERS)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response
