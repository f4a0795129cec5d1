"""The SHA-256 that a request declares of its body and a response of its content (RFC 9530)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from fastapi import Depends, Header

from app.api.schemas import SHA256
from app.errors import Invalid

ENTRY = re.compile(r"\s*sha-256\s*=\s*(:?)([A-Za-z0-9+/=]+)\1\s*\Z", re.IGNORECASE)
SHA256_BYTES = 32


def digest_field(sha256: str) -> str:
    """A digest as `Content-Digest` and `Repr-Digest` carry it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def declared_sha256(
    x_content_sha256: Annotated[str | None, Header(pattern=SHA256, description="Of this body, as hex digits.")] = None,
    content_digest: Annotated[str | None, Header(max_length=1000, description="sha-256=:base64: (RFC 9530).")] = None,
    digest: Annotated[str | None, Header(max_length=1000, description="SHA-256=base64 (RFC 3230).")] = None,
) -> str | None:
    """The digest that the body must have; algorithms other than SHA-256 are ignored, as the standard says.

    Raises:
        Invalid: a SHA-256 that cannot be read.
    """
    if x_content_sha256 is not None:
        return x_content_sha256.lower()
    entries = (content_digest or digest or "").split(",")
    matches = [match for match in map(ENTRY.match, entries) if match]
    return _hex(matches[0].group(2)) if matches else None


def _hex(encoded: str) -> str:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != SHA256_BYTES:
        raise Invalid("the digest is no base64 of 32 bytes; write Content-Digest: sha-256=:…:")
    return raw.hex()


DeclaredDigest = Annotated[str | None, Depends(declared_sha256)]
