"""Who does what is being done, from where, and in answer to which request: what the audit log writes down.

It travels beside the calls, in a context variable: every domain's every function would have to hand it on otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum

from app.teams.records import Principal


class ActorKind(StrEnum):
    """What kind of somebody."""

    USER = "user"
    KEY = "key"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Somebody who does something."""

    kind: ActorKind
    name: str
    id: str | None = None
    ip: str | None = None
    request_id: str | None = None


SYSTEM = Actor(kind=ActorKind.SYSTEM, name="the service")
NOBODY = Actor(kind=ActorKind.USER, name="")


class AuditContext:
    """Holds the actor of one request, who becomes known in the middle of it, perhaps in another thread."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor


_context: ContextVar[AuditContext | None] = ContextVar("audit_context", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Everything inside is done by ``actor``."""
    token = _context.set(AuditContext(actor))
    try:
        yield
    finally:
        _context.reset(token)


def actor() -> Actor:
    """Who does what is being done; the service itself where nobody asked for it."""
    found = _context.get()
    return found.actor if found else SYSTEM


def set_principal(principal: Principal) -> None:
    """The request that is being answered is that principal's."""
    found = _context.get()
    if found is not None:
        kind = ActorKind.USER if principal.user_id else ActorKind.KEY
        found.actor = replace(found.actor, kind=kind, name=principal.name, id=principal.user_id or principal.key_id)
