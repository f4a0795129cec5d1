"""One's own account: the teams that one is in, the password, and ending all sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator

from app.api.deps import SESSION_COOKIE, Found, validate_id
from app.api.problem import status_of
from app.errors import DomainError, Forbidden, RateLimited, WeakPassword, WrongPassword
from app.services import Services
from app.web.rendering import HEADERS, page
from app.web.routing import Pages
from app.web.sessions import FormSender, Looker, Visitor, safe_next
from app.web.sign_in import count_attempt, signed_out, with_session

router = Pages("/account")

Next = Annotated[str, Query(alias="next", max_length=2000)]
NO_PERSON = "This session is an API key's: keys belong to one team, have no password, and are revoked by the team."


@router.get("")
def show_account(request: Request, who: Looker, found: Found) -> Response:
    """Who one is here."""
    return _account(request, who, found)


def _account(request: Request, who: Visitor, found: Services, error: DomainError | None = None) -> Response:
    user_id = who.principal.user_id
    return page(
        request,
        "account.html",
        _status(error),
        visitor=who,
        person=found.people.get(user_id) if user_id else None,
        memberships=found.members.teams_of(user_id) if user_id else [],
        problem=error.message if error else "",
    )


@router.post("/password")
def change_password(
    request: Request,
    who: FormSender,
    found: Found,
    password: Annotated[str, Form(max_length=1000)] = "",
    new_password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Set another password: all sessions end, and this browser gets a new one."""
    try:
        user_id = _person(who)
        count_attempt(request, found, who.principal.name)
        found.people.change_password(user_id, password, new_password)
    except (Forbidden, RateLimited, WeakPassword, WrongPassword) as error:
        return _account(request, who, found, error)
    return with_session(request, found, who.principal, "/account")


@router.post("/sign-out-everywhere")
def sign_out_everywhere(who: FormSender, found: Found) -> Response:
    """End all of one's sessions, in all browsers."""
    found.sessions.close_all(_person(who))
    return signed_out()


@router.get("/teams")
def show_teams(request: Request, who: Looker, found: Found, next_page: Next = "/") -> Response:
    """The teams that one is in, to choose from."""
    memberships = found.members.teams_of(_person(who))
    return page(request, "teams.html", visitor=who, memberships=memberships, next_page=safe_next(next_page))


@router.post("/teams")
def choose_team(
    request: Request,
    who: FormSender,
    found: Found,
    team: Annotated[str, Form(), AfterValidator(validate_id)],
    next_page: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Look at that team's things from now on."""
    _person(who)
    found.sessions.switch(request.cookies.get(SESSION_COOKIE, ""), team)
    return RedirectResponse(safe_next(next_page), 303, HEADERS)


def _status(error: DomainError | None) -> int:
    if error is None:
        return 200
    return 422 if isinstance(error, WrongPassword) else status_of(error)  # 401 would ask for another session


def _person(who: Visitor) -> str:
    if who.principal.user_id is None:
        raise Forbidden(NO_PERSON)
    return who.principal.user_id
