"""Users of pages: the session cookie, access by scope, and protection of forms from other sites (CSRF)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Form, Header, Request, Response, Security
from fastapi.security import SecurityScopes
from starlette.exceptions import HTTPException

from app.api.cookies import SESSION_COOKIE, read_cookie, set_cookie
from app.api.deps import Services, count_anonymous, count_caller, require_scopes
from app.errors import InvalidKey
from app.teams.actors import set_principal
from app.teams.records import Principal
from app.teams.scopes import Scope
from app.teams.sessions import LONGEST_SECONDS, form_token, needs_proof

CSRF_REFUSAL = "the form does not belong to this session (CSRF); reload the page and submit it again"


class SignInRequired(Exception):
    """Nobody is signed in; pages redirect to the sign-in."""


@dataclass(frozen=True)
class PageUser:
    """A signed-in user, a person or an API key, and the token that their forms carry."""

    principal: Principal
    team_name: str
    form_token: str

    @property
    def team_id(self) -> str:
        """The team whose pages they see."""
        return self.principal.team_id

    @property
    def needs_proof(self) -> bool:
        """Whether they must confirm who they are before they hand out keys and roles."""
        return needs_proof(self.principal)

    def may(self, scope: str) -> bool:
        """Whether the user has a scope."""
        return scope in self.principal.scopes


def identify_user(request: Request, services: Services) -> PageUser:
    """The user of the request's session.

    Raises:
        SignInRequired: there is no session, or it has ended.
    """
    session = read_cookie(request, SESSION_COOKIE)
    if not session:
        raise SignInRequired
    try:
        principal = services.sessions.resume(session)
    except InvalidKey:
        raise SignInRequired from None
    set_principal(principal)
    return PageUser(principal, services.teams.get(principal.team_id).name, form_token(session))


def rate_limited_user(request: Request, services: Services) -> PageUser | None:
    """The user of the request, if there is one; the request counts against their rate limit, or the anonymous one.

    Raises:
        RateLimited: the limit is exceeded.
    """
    try:
        user = identify_user(request, services)
    except SignInRequired:
        count_anonymous(request, services)
        return None
    count_caller(request, services, user.principal)
    return user


OptionalUser = Annotated[PageUser | None, Depends(rate_limited_user)]


def current_user(needed: SecurityScopes, user: OptionalUser) -> PageUser:
    """The user of the request, who has the needed scopes.

    Raises:
        SignInRequired: nobody is signed in.
        InsufficientScope: the user lacks a scope.
    """
    if user is None:
        raise SignInRequired
    require_scopes(user.principal, needed.scopes)
    return user


def check_token(request: Request, user: PageUser, token: str) -> None:
    """Refuse requests that another site may have sent.

    Raises:
        HTTPException: 403.
    """
    if not is_same_origin(request) or not hmac.compare_digest(token.encode(), user.form_token.encode()):
        raise HTTPException(403, CSRF_REFUSAL)


def is_same_origin(request: Request) -> bool:
    """Whether a request comes from a page of this site, according to the browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False  # not a URL


def form_user(
    request: Request,
    user: Annotated[PageUser, Depends(current_user)],
    form_token: Annotated[str, Form(max_length=200)] = "",
) -> PageUser:
    """The user who submits a form with its token."""
    check_token(request, user, form_token)
    return user


def script_user(
    request: Request,
    user: Annotated[PageUser, Depends(current_user)],
    x_form_token: Annotated[str, Header(max_length=200)] = "",
) -> PageUser:
    """The user whose script sends the token in a header field."""
    check_token(request, user, x_form_token)
    return user


def set_session_cookie(request: Request, response: Response, session: str) -> None:
    """Set the session cookie."""
    set_cookie(request, response, SESSION_COOKIE, session, LONGEST_SECONDS)


def sign_in_path(request: Request) -> str:
    """The path of the sign-in, with the requested page as ``next``."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if request.method != "GET" or target == "/" else f"/sign-in?next={quote(target, safe='')}"


def safe_path(address: str) -> str:
    """The path if it is one of this server, else ``/``."""
    is_local = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_local and "\\" not in address else "/"


def page_access(*needed: Scope) -> Any:
    """Dependency of a page: its user, who must have the scopes."""
    return Security(current_user, scopes=[scope.value for scope in needed])


def form_access(*needed: Scope) -> Any:
    """Dependency of a form's target: its user, who must have the scopes and send the form token."""
    return Security(form_user, scopes=[scope.value for scope in needed])


def script_access(*needed: Scope) -> Any:
    """Dependency of a script's target: its user, who must have the scopes and send the token in a header field."""
    return Security(script_user, scopes=[scope.value for scope in needed])


SignedInUser = Annotated[PageUser, page_access()]
FormUser = Annotated[PageUser, form_access()]
