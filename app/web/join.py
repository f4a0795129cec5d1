"""Following a one-time link: into a team, or to a new password."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path, Request, Response
from starlette.exceptions import HTTPException

from app.api.deps import Found
from app.errors import WeakPassword, WrongPassword
from app.teams.invitations import Opened
from app.web.rendering import page
from app.web.routing import Pages
from app.web.sessions import FOREIGN_FORM, is_same_origin
from app.web.sign_in import count_attempt, signed_in

router = Pages("/join")

Token = Annotated[str, Path(max_length=100, pattern="^[A-Za-z0-9_-]+$")]


@router.get("/{token}")
def show_link(token: Token, request: Request, found: Found) -> Response:
    """What the link is for. Looking uses nothing up: programs that preview links look, too."""
    return _form(request, found.invitations.look(token))


@router.post("/{token}")
def follow_link(
    token: Token,
    request: Request,
    found: Found,
    password: Annotated[str, Form(max_length=1000)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Join, or set the password; either way one is signed in then."""
    if not is_same_origin(request):
        raise HTTPException(403, FOREIGN_FORM)
    opened = found.invitations.look(token)
    count_attempt(request, found, opened.email if opened.has_password else "")
    try:
        email = found.invitations.use(token, password, name)
    except (WeakPassword, WrongPassword) as error:
        return _form(request, opened, error.message, name, 422)
    return signed_in(request, found, found.people.sign_in(email, password), "/")


def _form(request: Request, opened: Opened, problem: str = "", name: str = "", status: int = 200) -> Response:
    return page(request, "join.html", status, opened=opened, problem=problem, name=name)
