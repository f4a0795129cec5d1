"""What endpoints depend on: the services, who asks, and ids as paths carry them."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator

from app.api.schemas import ID, LONGEST_ID
from app.errors import InvalidKey, NotFound
from app.services import Services
from app.teams.service import Principal

SESSION_COOKIE = "primesvt_session"
SAFE_METHODS = ("GET", "HEAD")
bearer = HTTPBearer(auto_error=False, description="An API key: psvt_…")


def services(request: Request) -> Services:
    """The services of this application."""
    found: Services = request.app.state.services
    return found


def principal(
    request: Request,
    found: Annotated[Services, Depends(services)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)] = None,
) -> Principal:
    """Who asks: by API key, or for reading by a page's session.

    Raises:
        InvalidKey: nobody we know.
    """
    if credentials is not None:
        return found.teams.authenticate(credentials.credentials)
    session = request.cookies.get(SESSION_COOKIE)
    if session and session.isascii() and request.method in SAFE_METHODS:
        return found.teams.resume_session(session)
    raise InvalidKey("no API key; send it as 'Authorization: Bearer psvt_…'")


def _of_our_making(value: str) -> str:
    """An id that this server may have made; any other cannot be found, and never reaches the database.

    Raises:
        NotFound: for every other text.
    """
    if len(value) > LONGEST_ID or not re.fullmatch(ID.strip("^$"), value):
        raise NotFound(f"there is nothing with the id {value[:LONGEST_ID]!r}")
    return value


Found = Annotated[Services, Depends(services)]
Caller = Annotated[Principal, Depends(principal)]
JobId = Annotated[str, Path(examples=["job_01k2v8r5k7m9n1p3q5r7s9t1v3"]), AfterValidator(_of_our_making)]
UploadId = Annotated[str, Path(examples=["upl_01k2v8r3p5q7s9t1v3w5x7y9z1"]), AfterValidator(_of_our_making)]
