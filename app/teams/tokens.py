"""Secrets: how keys, cookies and links are made, told from mistyped ones, and kept.

A key reads ``psvt_<id>_<secret>_<checksum>``. The checksum (CRC-32 of everything before it, in base 62) tells a
mistyped key without the database, and lets scanners that look for leaked secrets be sure of a find.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH = 32
"""Characters of 62 kinds: 190 random bits."""

CHECKSUM_LENGTH = 6
KEY = re.compile(r"(psvt_[0-9a-z]{26}_[0-9A-Za-z]{32})_([0-9A-Za-z]{6})")
FIRST_KEY = re.compile(r"psvt_[0-9A-Za-z_-]{43}")
"""Keys of the first version had no checksum."""


def new_key(key_id: str) -> str:
    """The secret of the key with that id (``key_…``)."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    body = f"psvt_{key_id.partition('_')[2]}_{secret}"
    return f"{body}_{checksum(body)}"


def is_well_formed(key: str) -> bool:
    """Whether a text may be a key that was made here: false for mistyped ones."""
    match = KEY.fullmatch(key)
    return checksum(match[1]) == match[2] if match else FIRST_KEY.fullmatch(key) is not None


def checksum(text: str) -> str:
    """CRC-32 in base 62, six digits."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def new_token() -> str:
    """256 random bits, for a cookie or a link."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """What is kept of a random secret: no slow hash would add anything to so many random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()
