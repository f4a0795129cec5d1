"""Dependencies of endpoints: the services, the caller, and ids in paths."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import AfterValidator
from starlette.concurrency import run_in_threadpool

from app.api.batching import BatchLoader
from app.api.cookies import SESSION_COOKIE, read_cookie
from app.api.event_polling import EventPoller
from app.errors import InsufficientScope, InvalidKey, NotFound, ProofNeeded, RateLimited
from app.services import Services as AppServices
from app.teams.actors import set_principal
from app.teams.limits import Allowance, Rule, network_of
from app.teams.records import Principal
from app.teams.scopes import Scope
from app.teams.sessions import form_token, needs_proof
from primesvt_client.schemas.base import ID, LONGEST_ID

FORM_HEADER = "x-form-token"
SAFE_METHODS = ("GET", "HEAD")


async def get_services(request: Request) -> AppServices:
    """The services of this application."""
    services: AppServices = request.app.state.services
    return services


async def get_event_poller(request: Request) -> EventPoller:
    """What streams of events and long polls wait with."""
    poller: EventPoller = request.app.state.event_poller
    return poller


Services = Annotated[AppServices, Depends(get_services)]
Poller = Annotated[EventPoller, Depends(get_event_poller)]


class Authentication(HTTPBearer):
    """Authenticates a request by its API key, or by a page's session; a session needs a form token to change things.

    The security scheme itself, so that a request is authenticated in one step.
    """

    def __init__(self) -> None:
        super().__init__(scheme_name="HTTPBearer", auto_error=False, description="An API key: psvt_…")

    async def __call__(self, request: Request, needed: SecurityScopes) -> Principal:  # type: ignore[override]
        """The caller, who has the needed scopes.

        Raises:
            InvalidKey: the key or session is unknown or has ended.
            InsufficientScope: the caller lacks a scope.
            RateLimited: the caller sent too many requests.
        """
        services: AppServices = request.app.state.services
        try:
            request.state.credentials = await super().__call__(request)
            caller = await authenticated(request, services, request.state.credentials)
        except InvalidKey:
            await run_in_threadpool(count_anonymous, request, services)
            raise
        set_principal(caller)
        rule, subject = services.limiter.callers, _rate_limit_subject(caller)
        allowance = services.limiter.count_here(rule, subject)
        if allowance is None:
            allowance = await run_in_threadpool(services.limiter.count, rule, subject)
        _enforce(request, allowance)
        require_scopes(caller, needed.scopes)
        return caller


authentication = Authentication()


def count_anonymous(request: Request, services: Services) -> None:
    """Count an anonymous request by its network.

    Raises:
        RateLimited: the network sent too many.
    """
    count(request, services.limiter.anonymous, network_of_request(request), services)


def count_caller(request: Request, services: Services, caller: Principal) -> None:
    """Count an authenticated request.

    Raises:
        RateLimited: the caller sent too many.
    """
    count(request, services.limiter.callers, _rate_limit_subject(caller), services)


def _rate_limit_subject(caller: Principal) -> str:
    return caller.key_id or str(caller.user_id)


def network_of_request(request: Request) -> str:
    """The network that an anonymous request is counted for."""
    return network_of(request.client.host if request.client else None)


def count(request: Request, rule: Rule, subject: str, services: Services) -> None:
    """Count a request for a subject; the response's header fields say what is left.

    Raises:
        RateLimited: the limit is exceeded.
    """
    _enforce(request, services.limiter.count(rule, subject))


def _enforce(request: Request, allowance: Allowance) -> None:
    request.state.allowance = allowance
    if allowance.is_exceeded:
        rule = allowance.rule
        raise RateLimited(
            f"more than {rule.requests} requests in {rule.window_seconds} seconds; try again in"
            f" {allowance.reset_seconds} seconds",
            allowance.reset_seconds,
        )


def require_scopes(caller: Principal, needed: Iterable[str]) -> None:
    """Make sure that a caller has scopes.

    Raises:
        InsufficientScope: one is missing.
    """
    missing = [scope for scope in needed if scope not in caller.scopes]
    if missing:
        raise InsufficientScope(f"this needs the scope {missing[0]}, which {caller.name} does not have")


def require_grantable(caller: Principal, scopes: Iterable[str]) -> None:
    """Make sure that a caller may hand on scopes, by a key or a role: they have them, and proved lately who they are.

    Raises:
        InsufficientScope: one is missing.
        ProofNeeded: of a session, that its owner has signed in is too long ago.
    """
    require_scopes(caller, scopes)
    if needs_proof(caller):
        raise ProofNeeded("confirm first that it is you, on the page /account/confirm: keys and roles are handed out")


async def authenticated(
    request: Request, services: AppServices, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    """Who sends a request, by its key or its session.

    Raises:
        InvalidKey: nobody.
    """
    if credentials is not None:
        loader: BatchLoader[str, Principal | InvalidKey] = request.app.state.key_loader
        owner = await loader.load(credentials.credentials)
        if isinstance(owner, Principal):
            return owner
        refusal = owner or InvalidKey("the API key is unknown")
        raise type(refusal)(refusal.message)  # a copy: concurrent requests may share the value
    session = read_cookie(request, SESSION_COOKIE)
    if not session:
        raise InvalidKey("no API key; send it as 'Authorization: Bearer psvt_…'")
    if request.method not in SAFE_METHODS and not has_form_token(request, session):
        raise InvalidKey(
            "with a session cookie, a request that changes something needs its form token in X-Form-Token (CSRF);"
            " or send an API key"
        )
    return await run_in_threadpool(services.sessions.resume, session)


async def is_still_allowed(request: Request, services: AppServices, caller: Principal, scope: Scope) -> bool:
    """Whether the caller of a request that is still being answered may still do this."""
    try:
        found = await authenticated(request, services, request.state.credentials)
    except InvalidKey:
        return False
    return found.team_id == caller.team_id and scope in found.scopes


def has_form_token(request: Request, session: str) -> bool:
    """Whether a request's header carries the form token of its session, which no other site knows (CSRF)."""
    return hmac.compare_digest(request.headers.get(FORM_HEADER, "").encode(), form_token(session).encode())


def needs(scope: Scope) -> Any:
    """The scope that an operation needs.

    ``caller: Annotated[Principal, needs(Scope.JOBS_READ)]``: declared once, where the operation is; the OpenAPI
    document and the test of the authorisation matrix read it there.
    """
    return Security(authentication, scopes=[scope.value])


def validate_id(value: str) -> str:
    """An id in this server's format; any other text is not found without asking the database.

    Raises:
        NotFound: the text is no id.
    """
    if len(value) > LONGEST_ID or not re.fullmatch(ID.strip("^$"), value):
        raise NotFound(f"there is nothing with the id {value[:LONGEST_ID]!r}")
    return value


Caller = Annotated[Principal, Security(authentication)]
"""Any authenticated caller, whatever their scopes; nearly every operation declares a scope with `needs` instead."""

JobId = Annotated[str, Path(examples=["job_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
KeyId = Annotated[str, Path(examples=["key_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
UserId = Annotated[str, Path(examples=["usr_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
InvitationId = Annotated[str, Path(examples=["lnk_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
UploadId = Annotated[str, Path(examples=["upl_01k2v8r3p5q7s9t1v3w5x7y9z1"]), AfterValidator(validate_id)]
DatasetId = Annotated[str, Path(examples=["dat_01k2v8r4a6b8c0d2e4f6g8h0j2"]), AfterValidator(validate_id)]
WebhookId = Annotated[str, Path(examples=["whk_01k2v8r6c8d0e2f4g6h8j0k2m4"]), AfterValidator(validate_id)]
DeliveryId = Annotated[str, Path(examples=["msg_01k2v8r7d9e1f3g5h7j9k1m3n5"]), AfterValidator(validate_id)]
