"""Signing in through the OpenID provider of the settings: there, and back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.addresses import public_address
from app.api.deps import Found
from app.errors import DomainError, NotFound, ProviderRefused
from app.services import Services
from app.teams.oidc import Attempt, Provider
from app.web.rendering import HEADERS
from app.web.routing import Pages
from app.web.sessions import is_behind_tls, safe_next
from app.web.sign_in import count_attempt, sign_in_page, signed_in

router = Pages("/sign-in/provider")

COOKIE = "primesvt_provider"
COOKIE_SECONDS = 600
LONGEST = 4000


@router.get("")
def go(
    request: Request, found: Found, next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """Send the browser to the provider."""
    count_attempt(request, found)
    address, attempt = _provider(found).begin(_back(request, found), safe_next(next_page))
    response = RedirectResponse(address, 303, HEADERS)
    response.set_cookie(
        COOKIE, attempt.packed(), max_age=COOKIE_SECONDS, path=router.prefix, httponly=True, samesite="lax",
        secure=is_behind_tls(request),
    )  # fmt: skip
    return response


@router.get("/callback")
def come_back(
    request: Request,
    found: Found,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=LONGEST)] = "",
    iss: Annotated[str, Query(max_length=LONGEST)] = "",
    error: Annotated[str, Query(max_length=LONGEST)] = "",
) -> Response:
    """The provider sends the browser back: who it is becomes a session, if a team knows them."""
    count_attempt(request, found)
    provider = _provider(found)
    try:
        attempt = Attempt.unpacked(request.cookies.get(COOKIE, ""))
        if error or not code:
            raise ProviderRefused("the provider did not sign you in")
        who = provider.finish(attempt, _back(request, found), state, code, iss)
        response = signed_in(request, found, found.people.proven(who.subject, who.email, who.name), attempt.next_page)
    except DomainError as refused:
        response = sign_in_page(request, found, "/", refused.message, status=403)
    response.delete_cookie(COOKIE, path=router.prefix, httponly=True, samesite="lax")
    return response


def _provider(found: Services) -> Provider:
    if found.provider is None:
        raise NotFound("this service has no identity provider")
    return found.provider


def _back(request: Request, found: Services) -> str:
    return public_address(request, found, f"{router.prefix}/callback")
