"""One-time links: join a team, or set a new password."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path, Request, Response
from starlette.exceptions import HTTPException

from app.api.deps import Services
from app.errors import DomainError, WeakPassword, WrongPassword
from app.teams.invitations import Opened
from app.web.rendering import page
from app.web.routing import PageRouter
from app.web.sessions import CSRF_REFUSAL, is_same_origin
from app.web.sign_in import count_attempt, signed_in

router = PageRouter("/join")

Token = Annotated[str, Path(max_length=100, pattern="^[A-Za-z0-9_-]+$")]


@router.get("/{token}")
def show_link(token: Token, request: Request, services: Services) -> Response:
    """The form of a link. Opening it does not use it up: programs that preview links open it, too."""
    return _form(request, services.invitations.look(token))


@router.post("/{token}")
def follow_link(
    token: Token,
    request: Request,
    services: Services,
    password: Annotated[str, Form(max_length=1000)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Join the team or set the password, and sign in."""
    if not is_same_origin(request):
        raise HTTPException(403, CSRF_REFUSAL)
    opened = services.invitations.look(token)
    count_attempt(request, services, opened.email if opened.has_password else "")
    try:
        email = services.invitations.use(token, password, name)
    except (WeakPassword, WrongPassword) as error:
        return _form(request, opened, error, name, 422)
    return signed_in(request, services, services.people.sign_in(email, password), "/")


def _form(
    request: Request, opened: Opened, error: DomainError | None = None, name: str = "", status: int = 200
) -> Response:
    return page(request, "join.html", status, opened=opened, error=error, name=name)
