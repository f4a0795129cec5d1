"""Browsers in which somebody has signed in before: strangers' guesses do not count against them.

A token is bound to the person and to the password that they had then, by an HMAC whose key is the kept hash: nothing
more has to be stored, no stranger can make one, and a new password makes all of them worthless.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from app.teams.models import UserRow


def device_token(user: UserRow) -> str | None:
    """A token for a browser in which somebody has just signed in; None of who has no password."""
    if user.password_hash is None:
        return None
    device = secrets.token_hex(16)
    return f"{device}.{_seal(user, device)}"


def known_device(user: UserRow | None, token: str) -> str | None:
    """The name of the browser that a token was made for; None if it is not one of this person's."""
    device, _, seal = token.partition(".")
    if user is None or user.password_hash is None or not seal.isascii():
        return None
    return device if hmac.compare_digest(seal, _seal(user, device)) else None


def _seal(user: UserRow, device: str) -> str:
    return hmac.new(str(user.password_hash).encode(), f"device {user.id} {device}".encode(), hashlib.sha256).hexdigest()
