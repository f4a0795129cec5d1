"""Digest fields: the SHA-256 of a request's body or a response's content (RFC 9530)."""

from __future__ import annotations

import base64
import re
from typing import Annotated

from fastapi import Depends, Header

from app.errors import Invalid
from primesvt_client.schemas.base import SHA256

ENTRY = re.compile(r"\s*sha-256\s*=\s*(.*?)\s*\Z", re.IGNORECASE | re.DOTALL)
SHA256_BYTES = 32


def digest_field(sha256: str) -> str:
    """A digest as `Content-Digest` and `Repr-Digest` carry it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def declared_sha256(
    x_content_sha256: Annotated[
        str | None, Header(pattern=SHA256, description="SHA-256 of the body, as hex digits.")
    ] = None,
    content_digest: Annotated[str | None, Header(max_length=1000, description="sha-256=:base64: (RFC 9530).")] = None,
    digest: Annotated[str | None, Header(max_length=1000, description="SHA-256=base64 (RFC 3230).")] = None,
) -> str | None:
    """The digest that the body must have; algorithms other than SHA-256 are ignored, as the standard says.

    Raises:
        Invalid: the SHA-256 is malformed.
    """
    if x_content_sha256 is not None:
        return x_content_sha256.lower()
    entries = (content_digest or digest or "").split(",")
    matches = [match for match in map(ENTRY.match, entries) if match]
    return _hex(matches[0].group(1)) if matches else None


def _hex(encoded: str) -> str:
    bare = encoded[1:-1] if len(encoded) > 1 and encoded[0] == encoded[-1] == ":" else encoded
    try:
        raw = base64.b64decode(bare, validate=True)
    except ValueError:  # binascii.Error is one, and so are letters beyond ASCII
        raw = b""
    if len(raw) != SHA256_BYTES:
        raise Invalid("the digest is not base64 of 32 bytes; send Content-Digest: sha-256=:…:")
    return raw.hex()


DeclaredDigest = Annotated[str | None, Depends(declared_sha256)]
