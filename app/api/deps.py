"""What endpoints depend on: the services, and who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.errors import InvalidKey
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
    if session and request.method in SAFE_METHODS:
        return found.teams.resume_session(session)
    raise InvalidKey("no API key; send it as 'Authorization: Bearer psvt_…'")


Found = Annotated[Services, Depends(services)]
Caller = Annotated[Principal, Depends(principal)]
