"""Who looks at a page: the session cookie, and what proves that a form is ours (CSRF)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Form, Header, Request, Response, Security
from fastapi.security import SecurityScopes
from starlette.exceptions import HTTPException

from app.api.deps import SESSION_COOKIE, Found, count_anonymous, count_caller, permitted
from app.errors import InvalidKey
from app.services import Services
from app.teams.actors import set_principal
from app.teams.records import Principal
from app.teams.scopes import Scope
from app.teams.sessions import LONGEST_SECONDS, form_token

FOREIGN_FORM = "this form is not of this session (CSRF); open the page again and send it from there"


class SignInNeeded(Exception):
    """Nobody is signed in; the pages answer with the way to the sign-in."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in, and the token that their forms carry."""

    principal: Principal
    team_name: str
    form_token: str

    @property
    def team_id(self) -> str:
        """The team whose things they look at."""
        return self.principal.team_id

    def may(self, scope: str) -> bool:
        """Whether pages should offer something."""
        return scope in self.principal.scopes


def recognise(request: Request, found: Services) -> Visitor:
    """Who holds the request's session.

    Raises:
        SignInNeeded: nobody, or it has ended.
    """
    session = request.cookies.get(SESSION_COOKIE)
    if not session or not session.isascii():
        raise SignInNeeded
    try:
        principal = found.sessions.resume(session)
    except InvalidKey:
        raise SignInNeeded from None
    set_principal(principal)
    return Visitor(principal, found.teams.get(principal.team_id).name, form_token(session))


def counted(request: Request, found: Found) -> Visitor | None:
    """Who asks for a page, if it is anybody we know; the request is counted as theirs, or as a stranger's.

    Raises:
        RateLimited: there were too many.
    """
    try:
        who = recognise(request, found)
    except SignInNeeded:
        count_anonymous(request, found)
        return None
    count_caller(request, found, who.principal)
    return who


Anybody = Annotated[Visitor | None, Depends(counted)]


def visitor(needed: SecurityScopes, who: Anybody) -> Visitor:
    """Who looks at a page.

    Raises:
        SignInNeeded: nobody who is signed in.
        InsufficientScope: somebody who may not.
    """
    if who is None:
        raise SignInNeeded
    permitted(who.principal, needed.scopes)
    return who


def check_token(request: Request, who: Visitor, token: str) -> None:
    """Refuse what another site's page may have sent.

    Raises:
        HTTPException: 403.
    """
    if not is_same_origin(request) or not hmac.compare_digest(token.encode(), who.form_token.encode()):
        raise HTTPException(403, FOREIGN_FORM)


def is_same_origin(request: Request) -> bool:
    """Whether a request comes from a page of ours, as far as the browser says."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False  # no address at all


def form_sender(
    request: Request, who: Annotated[Visitor, Depends(visitor)], form_token: Annotated[str, Form(max_length=200)] = ""
) -> Visitor:
    """Who sends a form of ours."""
    check_token(request, who, form_token)
    return who


def script_sender(
    request: Request,
    who: Annotated[Visitor, Depends(visitor)],
    x_form_token: Annotated[str, Header(max_length=200)] = "",
) -> Visitor:
    """Who sends what a script of ours sends."""
    check_token(request, who, x_form_token)
    return who


def keep_session(request: Request, response: Response, session: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=LONGEST_SECONDS,
        httponly=True,
        samesite="lax",  # not strict: an identity provider sends people back by a link of its own
        secure=is_behind_tls(request),
    )


def is_behind_tls(request: Request) -> bool:
    """Whether browsers reach this server by TLS: a proxy that brings it may not say so with every request."""
    services: Services = request.app.state.services
    return request.url.scheme == "https" or services.settings.public_url.startswith("https://")


def sign_in_address(request: Request) -> str:
    """The sign-in, which leads back to the page that was asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if request.method != "GET" or asked == "/" else f"/sign-in?next={quote(asked, safe='')}"


def safe_next(address: str) -> str:
    """An address of this server, whatever a link said."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_ours and "\\" not in address else "/"


def looks(*needed: Scope) -> Any:
    """Who looks at a page, and must be allowed to."""
    return Security(visitor, scopes=[scope.value for scope in needed])


def sends_form(*needed: Scope) -> Any:
    """Who sends a form of ours, and must be allowed to."""
    return Security(form_sender, scopes=[scope.value for scope in needed])


def sends_script(*needed: Scope) -> Any:
    """Who sends what a script of ours sends, and must be allowed to."""
    return Security(script_sender, scopes=[scope.value for scope in needed])


Looker = Annotated[Visitor, looks()]
FormSender = Annotated[Visitor, sends_form()]
