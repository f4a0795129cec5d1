"""Lists a page at a time: the cursor is the last row's id, opaque to clients; ids sort by time of creation."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import InvalidCursor

T = TypeVar("T")
LARGEST_PAGE = 200
ROW_ID = re.compile(r"[a-z]+_[0-9a-z]{26}")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some records, newest first, and where the next page begins."""

    items: tuple[T, ...]
    next_cursor: str | None


def encode(last_id: str) -> str:
    """A cursor behind the row ``last_id``."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode(cursor: str, prefix: str) -> str:
    """The row a cursor stands behind, in a list of rows whose ids begin with ``prefix``.

    Raises:
        InvalidCursor: if this server did not make it, or for another list.
    """
    try:
        last = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        last = ""
    if not ROW_ID.fullmatch(last) or not last.startswith(prefix + "_") or encode(last) != cursor:
        raise InvalidCursor(f"the cursor {cursor[:60]!r} is none of this list's; start without one")
    return last


def page(rows: Sequence[T], limit: int, ids: Sequence[str]) -> Page[T]:
    """A page from up to ``limit + 1`` rows."""
    more = len(rows) > limit
    return Page(tuple(rows[:limit]), encode(ids[limit - 1]) if more else None)
