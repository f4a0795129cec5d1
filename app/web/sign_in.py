"""Sign in with a password or an API key, and sign out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from app.api.cookies import DEVICE_COOKIE, SESSION_COOKIE, delete_cookie, read_cookie, set_cookie
from app.api.deps import Services, count, network_of_request
from app.errors import DomainError, InvalidKey, NotAMember, RateLimited, WrongPassword
from app.teams.passwords import is_guessable
from app.teams.records import Principal
from app.web.rendering import HEADERS, page
from app.web.routing import PageRouter
from app.web.sessions import (
    CSRF_REFUSAL,
    FormUser,
    OptionalUser,
    PageUser,
    is_same_origin,
    safe_path,
    set_session_cookie,
)

router = PageRouter()

DEVICE_SECONDS = 365 * 86_400
WRONG_KEY = (
    "The API key is unknown or revoked. The command primesvt serve prints the first key, once, when it starts for the"
    " first time."
)


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    services: Services,
    user: OptionalUser,
    next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/",
) -> Response:
    """The form; a signed-in user is redirected at once."""
    if user is None:
        return sign_in_page(request, services, next_page)
    return RedirectResponse(safe_path(next_page), 303, HEADERS)


def sign_in_page(
    request: Request,
    services: Services,
    next_page: str,
    error: DomainError | None = None,
    email: str = "",
    status: int = 200,
) -> Response:
    """The sign-in, with the problem of the last attempt."""
    provider = services.settings.oidc_name if services.settings.oidc_issuer else ""
    target = safe_path(next_page)
    return page(request, "sign_in.html", status, next_page=target, error=error, email=email, provider=provider)


@router.post("/sign-in")
def sign_in(
    request: Request,
    services: Services,
    key: Annotated[str, Form(max_length=500)] = "",
    email: Annotated[str, Form(max_length=300)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next_page: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Open a session for a password or an API key."""
    if not is_same_origin(request):  # another site must not sign in its visitors as another user
        raise HTTPException(403, CSRF_REFUSAL)
    try:
        count_attempt(request, services, email)
        principal = services.keys.authenticate(key.strip()) if key else services.people.sign_in(email, password)
    except (InvalidKey, NotAMember, RateLimited) as error:
        return _refused(request, services, next_page, error, email)
    if not key and is_guessable(password, email):  # one of before there was a list: whoever has it replaces it first
        return RedirectResponse(services.invitations.new_password(email).path, 303, HEADERS)
    return signed_in(request, services, principal, next_page)


def _refused(request: Request, services: Services, next_page: str, error: DomainError, email: str) -> Response:
    is_of_key = isinstance(error, InvalidKey) and not isinstance(error, WrongPassword)
    status = 429 if isinstance(error, RateLimited) else 422
    shown = InvalidKey(WRONG_KEY) if is_of_key else error
    response = sign_in_page(request, services, next_page, shown, email, status)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def count_attempt(request: Request, services: Services, email: str = "") -> None:
    """Count an attempt to sign in: by network, and by e-mail address together with where it comes from.

    In a browser in which the person has signed in before only the attempts made there count: strangers who guess
    elsewhere, however many they are, do not keep them out.

    Raises:
        RateLimited: there were too many.
    """
    network, email = network_of_request(request), email.strip().lower()
    count(request, services.limiter.places, network, services)
    if not email:
        return
    device = services.people.known_device(email, read_cookie(request, DEVICE_COOKIE))
    count(request, services.limiter.sign_ins, f"{email} {device or network}", services)
    if device is None:
        count(request, services.limiter.accounts, email, services)


def count_proof(request: Request, services: Services, user: PageUser) -> None:
    """Count an attempt of somebody who is signed in to prove that it is still they.

    Raises:
        RateLimited: there were too many.
    """
    count(request, services.limiter.sign_ins, f"session {user.principal.session_id}", services)


def signed_in(
    request: Request, services: Services, principal: Principal, next_page: str, *, is_proven: bool = True
) -> Response:
    """Redirect to the requested page with a new session; a user of several teams chooses one first."""
    has_choice = principal.user_id is not None and len(services.members.teams_of(principal.user_id)) > 1
    target = safe_path(next_page)
    return with_session(
        request,
        services,
        principal,
        f"/account/teams?next={quote(target, safe='')}" if has_choice else target,
        is_proven=is_proven,
    )


def with_session(
    request: Request, services: Services, principal: Principal, address: str, *, is_proven: bool = True
) -> Response:
    """Redirect with a new session; the browser's previous one ends, and the browser is known from now on."""
    response = RedirectResponse(address, 303, HEADERS)
    agent = request.headers.get("user-agent", "")
    set_session_cookie(request, response, services.sessions.open(principal, agent, is_proven=is_proven))
    services.sessions.close(read_cookie(request, SESSION_COOKIE))
    device = services.people.device_token(principal.user_id) if principal.user_id else None
    if device is not None:
        set_cookie(request, response, DEVICE_COOKIE, device, DEVICE_SECONDS)
    return response


@router.post("/sign-out")
def sign_out(request: Request, user: FormUser, services: Services) -> Response:
    """End the session, wherever its cookie is."""
    services.sessions.close(read_cookie(request, SESSION_COOKIE))
    return signed_out(request)


def signed_out(request: Request) -> Response:
    """Redirect to the sign-in and delete the session cookie."""
    response = RedirectResponse("/sign-in", 303, HEADERS)
    delete_cookie(request, response, SESSION_COOKIE)
    return response
