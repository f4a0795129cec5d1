"""What endpoints depend on: the services, who asks, and ids as paths carry them."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import AfterValidator
from starlette.concurrency import run_in_threadpool

from app.api.batching import Batch
from app.api.watching import Watch
from app.errors import InsufficientScope, InvalidKey, NotFound, RateLimited
from app.services import Services
from app.teams.actors import set_principal
from app.teams.limits import Allowance, Rule, network_of
from app.teams.records import Principal
from app.teams.scopes import Scope
from app.teams.sessions import form_token
from primesvt_client.schemas.base import ID, LONGEST_ID

SESSION_COOKIE = "primesvt_session"
FORM_HEADER = "x-form-token"
SAFE_METHODS = ("GET", "HEAD")


async def services(request: Request) -> Services:
    """The services of this application."""
    found: Services = request.app.state.services
    return found


async def watch(request: Request) -> Watch:
    """What followers of jobs wait with."""
    found: Watch = request.app.state.watch
    return found


class Authentication(HTTPBearer):
    """Who asks: by API key, or by a page's session, which for more than reading proves with a header that it is ours.

    The security scheme itself, so that a request is authenticated in one step.
    """

    def __init__(self) -> None:
        super().__init__(scheme_name="HTTPBearer", auto_error=False, description="An API key: psvt_…")

    async def __call__(self, request: Request, needed: SecurityScopes) -> Principal:  # type: ignore[override]
        """The caller, who may do what needs these scopes.

        Raises:
            InvalidKey: nobody we know.
            InsufficientScope: somebody who may not do this.
            RateLimited: somebody who asks too often.
        """
        found: Services = request.app.state.services
        try:
            caller = await _authenticated(request, found, await super().__call__(request))
        except InvalidKey:
            await run_in_threadpool(count_anonymous, request, found)
            raise
        set_principal(caller)
        rule, subject = found.limiter.callers, _counted_as(caller)
        allowance = found.limiter.count_here(rule, subject)
        if allowance is None:
            allowance = await run_in_threadpool(found.limiter.count, rule, subject)
        _tell(request, allowance)
        permitted(caller, needed.scopes)
        return caller


authentication = Authentication()


def count_anonymous(request: Request, found: Annotated[Services, Depends(services)]) -> None:
    """Count a request that nobody we know has sent.

    Raises:
        RateLimited: too many come from there.
    """
    count(request, found.limiter.anonymous, network_of_request(request), found)


def count_caller(request: Request, found: Services, caller: Principal) -> None:
    """Count a request of somebody we know.

    Raises:
        RateLimited: they send too many.
    """
    count(request, found.limiter.callers, _counted_as(caller), found)


def _counted_as(caller: Principal) -> str:
    return caller.key_id or str(caller.user_id)


def network_of_request(request: Request) -> str:
    """Whom the sender of a request is counted as."""
    return network_of(request.client.host if request.client else None)


def count(request: Request, rule: Rule, subject: str, found: Services) -> None:
    """Count a request of somebody; the response will say what is left.

    Raises:
        RateLimited: it is one too many.
    """
    _tell(request, found.limiter.count(rule, subject))


def _tell(request: Request, allowance: Allowance) -> None:
    request.state.allowance = allowance
    if allowance.is_exceeded:
        rule = allowance.rule
        raise RateLimited(
            f"more than {rule.requests} requests in {rule.window_seconds} seconds; go on in"
            f" {allowance.reset_seconds} seconds",
            allowance.reset_seconds,
        )


def permitted(caller: Principal, needed: Iterable[str]) -> None:
    """Make sure that somebody may do what needs some scopes.

    Raises:
        InsufficientScope: they may not.
    """
    missing = [scope for scope in needed if scope not in caller.scopes]
    if missing:
        raise InsufficientScope(f"this needs the scope {missing[0]}, which {caller.name} does not have")


async def _authenticated(
    request: Request, found: Services, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    if credentials is not None:
        holders: Batch[str, Principal | InvalidKey] = request.app.state.holders
        holder = await holders.get(credentials.credentials)
        if isinstance(holder, Principal):
            return holder
        refusal = holder or InvalidKey("the API key is unknown")
        raise type(refusal)(refusal.message)  # others may have the same answer
    session = request.cookies.get(SESSION_COOKIE)
    if not session or not session.isascii():
        raise InvalidKey("no API key; send it as 'Authorization: Bearer psvt_…'")
    if request.method not in SAFE_METHODS and not is_from_our_page(request, session):
        raise InvalidKey(
            "a session changes things only with its form token, in X-Form-Token (CSRF); or send an API key"
        )
    return await run_in_threadpool(found.sessions.resume, session)


def is_from_our_page(request: Request, session: str) -> bool:
    """Whether a request's header carries the form token of its session, as no other site can."""
    return hmac.compare_digest(request.headers.get(FORM_HEADER, "").encode(), form_token(session).encode())


def needs(scope: Scope) -> Any:
    """What an operation's caller must be allowed to do.

    ``caller: Annotated[Principal, needs(Scope.JOBS_READ)]``: declared once, where the operation is; the OpenAPI
    document and the test of the authorisation matrix read it there.
    """
    return Security(authentication, scopes=[scope.value])


def validate_id(value: str) -> str:
    """An id that this server may have made; any other cannot be found, and never reaches the database.

    Raises:
        NotFound: for every other text.
    """
    if len(value) > LONGEST_ID or not re.fullmatch(ID.strip("^$"), value):
        raise NotFound(f"there is nothing with the id {value[:LONGEST_ID]!r}")
    return value


Found = Annotated[Services, Depends(services)]
Watching = Annotated[Watch, Depends(watch)]
Caller = Annotated[Principal, Security(authentication)]
"""Whoever is known, whatever they may do; nearly every operation says with `needs` what it takes instead."""

JobId = Annotated[str, Path(examples=["job_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
KeyId = Annotated[str, Path(examples=["key_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
UserId = Annotated[str, Path(examples=["usr_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
InvitationId = Annotated[str, Path(examples=["lnk_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(validate_id)]
UploadId = Annotated[str, Path(examples=["upl_01k2v8r3p5q7s9t1v3w5x7y9z1"]), AfterValidator(validate_id)]
WebhookId = Annotated[str, Path(examples=["whk_01k2v8r6c8d0e2f4g6h8j0k2m4"]), AfterValidator(validate_id)]
DeliveryId = Annotated[str, Path(examples=["msg_01k2v8r7d9e1f3g5h7j9k1m3n5"]), AfterValidator(validate_id)]
