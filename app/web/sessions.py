"""Who looks at a page: the session cookie, and what proves that a form is ours (CSRF)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Form, Header, Request, Response
from starlette.exceptions import HTTPException

from app.api.deps import SESSION_COOKIE, Found
from app.errors import InvalidKey
from app.services import Services
from app.teams.service import SESSION_SECONDS

FOREIGN_FORM = "this form is not of this session (CSRF); open the page again and send it from there"


class SignInNeeded(Exception):
    """Nobody is signed in; the pages answer with the way to the sign-in."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in, and the token that their forms carry."""

    team_id: str
    form_token: str


def recognise(request: Request, found: Services) -> Visitor:
    """Who holds the request's session.

    Raises:
        SignInNeeded: nobody, or it has ended.
    """
    session = request.cookies.get(SESSION_COOKIE)
    if not session or not session.isascii():
        raise SignInNeeded
    try:
        principal = found.teams.resume_session(session)
    except InvalidKey:
        raise SignInNeeded from None
    return Visitor(principal.team_id, found.teams.form_token(session))


def visitor(request: Request, found: Found) -> Visitor:
    """Who looks at a page."""
    return recognise(request, found)


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
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


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
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def sign_in_address(request: Request) -> str:
    """The sign-in, which leads back to the page that was asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if request.method != "GET" or asked == "/" else f"/sign-in?next={quote(asked, safe='')}"


def safe_next(address: str) -> str:
    """An address of this server, whatever a link said."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_ours and "\\" not in address else "/"


Looker = Annotated[Visitor, Depends(visitor)]
FormSender = Annotated[Visitor, Depends(form_sender)]
ScriptSender = Annotated[Visitor, Depends(script_sender)]
