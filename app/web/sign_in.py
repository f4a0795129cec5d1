"""Sign in with a password or an API key, and sign out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from app.api.deps import SESSION_COOKIE, Services, count, network_of_request
from app.errors import DomainError, InvalidKey, NotAMember, RateLimited, WrongPassword
from app.teams.records import Principal
from app.web.rendering import HEADERS, page
from app.web.routing import PageRouter
from app.web.sessions import CSRF_REFUSAL, FormUser, OptionalUser, is_same_origin, safe_path, set_session_cookie

router = PageRouter()

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
    """Count an attempt to sign in, by network and by e-mail address.

    Raises:
        RateLimited: there were too many.
    """
    count(request, services.limiter.places, network_of_request(request), services)
    if email:
        count(request, services.limiter.sign_ins, email.strip().lower(), services)


def signed_in(request: Request, services: Services, principal: Principal, next_page: str) -> Response:
    """Redirect to the requested page with a new session; a user of several teams chooses one first."""
    has_choice = principal.user_id is not None and len(services.members.teams_of(principal.user_id)) > 1
    target = safe_path(next_page)
    return with_session(
        request, services, principal, f"/account/teams?next={quote(target, safe='')}" if has_choice else target
    )


def with_session(request: Request, services: Services, principal: Principal, address: str) -> Response:
    """Redirect with a new session; the browser's previous one ends."""
    response = RedirectResponse(address, 303, HEADERS)
    set_session_cookie(request, response, services.sessions.open(principal))
    services.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    return response


@router.post("/sign-out")
def sign_out(request: Request, user: FormUser, services: Services) -> Response:
    """End the session, wherever its cookie is."""
    services.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    return signed_out()


def signed_out() -> Response:
    """Redirect to the sign-in and delete the session cookie."""
    response = RedirectResponse("/sign-in", 303, HEADERS)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response
