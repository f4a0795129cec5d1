"""Sign in through the OpenID provider of the settings: redirect and callback."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.cookies import delete_cookie, read_cookie, set_cookie
from app.api.deps import Services
from app.api.public_urls import public_url
from app.errors import DomainError, NotFound, ProviderRefused
from app.teams.oidc import Attempt, Provider
from app.web.rendering import HEADERS
from app.web.routing import PageRouter
from app.web.sessions import safe_path
from app.web.sign_in import count_attempt, sign_in_page, signed_in

router = PageRouter("/sign-in/provider")

PROVIDER_COOKIE = "primesvt_provider"
COOKIE_SECONDS = 600
LONGEST = 4000


@router.get("")
def go(
    request: Request,
    services: Services,
    next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/",
    anew: Annotated[bool, Query()] = False,
) -> Response:
    """Redirect the browser to the provider, which has the person sign in there ``anew`` if that is asked for."""
    count_attempt(request, services)
    address, attempt = _provider(services).begin(_callback_url(request, services), safe_path(next_page), anew=anew)
    response = RedirectResponse(address, 303, HEADERS)
    set_cookie(request, response, PROVIDER_COOKIE, attempt.packed(), COOKIE_SECONDS)
    return response


@router.get("/callback")
def come_callback_url(
    request: Request,
    services: Services,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=LONGEST)] = "",
    iss: Annotated[str, Query(max_length=LONGEST)] = "",
    error: Annotated[str, Query(max_length=LONGEST)] = "",
) -> Response:
    """The provider's callback: open a session if a team has or has invited the user."""
    count_attempt(request, services)
    provider = _provider(services)
    try:
        attempt = Attempt.unpacked(read_cookie(request, PROVIDER_COOKIE))
        if error or not code:
            raise ProviderRefused("the identity provider did not sign you in")
        identity = provider.finish(attempt, _callback_url(request, services), state, code, iss)
        response = signed_in(
            request,
            services,
            services.people.proven(identity.subject, identity.email, identity.name),
            attempt.next_page,
            is_proven=identity.is_fresh,
        )
    except DomainError as refused:
        response = sign_in_page(request, services, "/", refused, status=403)
    delete_cookie(request, response, PROVIDER_COOKIE)
    return response


def _provider(services: Services) -> Provider:
    if services.provider is None:
        raise NotFound("this service has no identity provider")
    return services.provider


def _callback_url(request: Request, services: Services) -> str:
    return public_url(request, services, f"{router.prefix}/callback")
