"""E-mail addresses: one person, one spelling."""

from __future__ import annotations

import re

from app.errors import Invalid

LONGEST_ADDRESS = 254
ADDRESS = re.compile(r"[^@\s\x00-\x20\x7f<>\"(),:;\\\[\]]{1,64}@[^@\s\x00-\x20\x7f<>\"(),:;\\\[\]]{1,189}")


def address(text: str) -> str:
    """An e-mail address as it is kept: without capitals, so that it is found however it is typed.

    Raises:
        Invalid: it is none.
    """
    found = text.strip().lower()
    if len(found) > LONGEST_ADDRESS or not ADDRESS.fullmatch(found) or not found.isprintable():
        raise Invalid(f"{text[:80]!r} is no e-mail address")
    return found
