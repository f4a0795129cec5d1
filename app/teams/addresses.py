"""E-mail addresses: one person, one spelling."""

from __future__ import annotations

import re

from app.errors import Invalid
from primesvt_client.schemas.team import ADDRESS


def is_address(text: str) -> bool:
    """Whether a text looks like an e-mail address."""
    return re.fullmatch(ADDRESS, text) is not None and not text.endswith("\n")


def address(text: str) -> str:
    """An e-mail address as it is kept: without capitals, so that it is found however it is typed.

    Raises:
        Invalid: it is none.
    """
    found = text.strip().lower()
    if not is_address(found):
        raise Invalid(f"{text[:80]!r} is not an e-mail address")
    return found
