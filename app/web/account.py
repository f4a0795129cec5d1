"""The user's account: teams, password and sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator

from app.api.cookies import SESSION_COOKIE, read_cookie
from app.api.deps import Services, validate_id
from app.api.problem import status_of
from app.errors import DomainError, Forbidden, InvalidKey, RateLimited, WeakPassword, WrongPassword
from app.web.rendering import HEADERS, page
from app.web.routing import PageRouter
from app.web.sessions import FormUser, PageUser, SignedInUser, safe_path
from app.web.sign_in import count_proof, signed_out, with_session

router = PageRouter("/account")

SessionId = Annotated[str, AfterValidator(validate_id)]
Next = Annotated[str, Query(alias="next", max_length=2000)]
NO_PERSON = "this session belongs to an API key, which has one team and no password; the team can revoke it"


@router.get("")
def show_account(request: Request, user: SignedInUser, services: Services) -> Response:
    """The user, their teams and their sessions."""
    return _account(request, user, services)


def _account(request: Request, user: PageUser, services: Services, error: DomainError | None = None) -> Response:
    user_id = user.principal.user_id
    return page(
        request,
        "account.html",
        _status(error),
        user=user,
        person=services.people.get(user_id) if user_id else None,
        memberships=services.members.teams_of(user_id) if user_id else [],
        sessions=services.sessions.all(user_id) if user_id else [],
        error=error,
    )


@router.post("/password")
def change_password(
    request: Request,
    user: FormUser,
    services: Services,
    password: Annotated[str, Form(max_length=1000)] = "",
    new_password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Change the password: all sessions end, and this browser gets a new one."""
    try:
        user_id = _person(user)
        count_proof(request, services, user)
        services.people.change_password(user_id, password, new_password)
    except (Forbidden, RateLimited, WeakPassword, WrongPassword) as error:
        return _account(request, user, services, error)
    return with_session(request, services, user.principal, "/account")


@router.post("/sign-out-everywhere")
def sign_out_everywhere(request: Request, user: FormUser, services: Services) -> Response:
    """End all sessions of the user, in all browsers."""
    services.sessions.close_all(_person(user))
    return signed_out(request)


@router.post("/sessions/{session_id}/end")
def end_session(session_id: SessionId, request: Request, user: FormUser, services: Services) -> Response:
    """End one session of the user; this browser's own is signed out."""
    services.sessions.close_one(_person(user), session_id)
    return (
        signed_out(request) if session_id == user.principal.session_id else RedirectResponse("/account", 303, HEADERS)
    )


@router.get("/confirm")
def show_confirm(request: Request, user: SignedInUser, services: Services, next_page: Next = "/") -> Response:
    """The form with which the user proves that it is still they."""
    return _confirm(request, user, services, next_page)


@router.post("/confirm")
def confirm(
    request: Request,
    user: FormUser,
    services: Services,
    secret: Annotated[str, Form(max_length=1000)] = "",
    next_page: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """The user proves that it is still they, by the password or, in a key's session, by the key."""
    try:
        count_proof(request, services, user)
        _prove(user, services, secret)
    except (InvalidKey, RateLimited) as error:
        return _confirm(request, user, services, next_page, error)
    services.sessions.prove(str(user.principal.session_id))
    return RedirectResponse(safe_path(next_page), 303, HEADERS)


def _prove(user: PageUser, services: Services, secret: str) -> None:
    if user.principal.user_id is not None:
        services.people.prove(user.principal.user_id, secret)
    elif services.keys.authenticate(secret.strip()).key_id != user.principal.key_id:
        raise InvalidKey("this is another API key than the one that you have signed in with")


def _confirm(
    request: Request, user: PageUser, services: Services, next_page: str, error: DomainError | None = None
) -> Response:
    user_id = user.principal.user_id
    return page(
        request,
        "confirm.html",
        _status(error),
        user=user,
        person=services.people.get(user_id) if user_id else None,
        provider=services.settings.oidc_name,
        next_page=safe_path(next_page),
        error=error,
    )


@router.get("/teams")
def show_teams(request: Request, user: SignedInUser, services: Services, next_page: Next = "/") -> Response:
    """The user's teams, to choose from."""
    memberships = services.members.teams_of(_person(user))
    return page(request, "teams.html", user=user, memberships=memberships, next_page=safe_path(next_page))


@router.post("/teams")
def choose_team(
    request: Request,
    user: FormUser,
    services: Services,
    team: Annotated[str, Form(), AfterValidator(validate_id)],
    next_page: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Switch the session to another team."""
    _person(user)
    services.sessions.switch(read_cookie(request, SESSION_COOKIE), team)
    return RedirectResponse(safe_path(next_page), 303, HEADERS)


def _status(error: DomainError | None) -> int:
    if error is None:
        return 200
    return 422 if isinstance(error, InvalidKey) else status_of(error)  # 401 would ask the browser for another session


def _person(user: PageUser) -> str:
    if user.principal.user_id is None:
        raise Forbidden(NO_PERSON)
    return user.principal.user_id
