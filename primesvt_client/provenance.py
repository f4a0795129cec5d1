"""Where results come from: a signed statement beside them, and whether it holds.

The statement is in-toto's (Statement v1 with the predicate SLSA provenance v1) in a DSSE envelope, one line of JSON in
``provenance.intoto.jsonl``; the signature is Ed25519. https://github.com/in-toto/attestation
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from primesvt_client.downloading import place
from primesvt_client.errors import ClientError, Unusable

FILE = "provenance.intoto.jsonl"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PREFIX = "ed25519:"
"""A public key as text: this and 32 bytes in base64."""

KEY_BYTES = 32
LARGEST_BYTES = 1 << 20
"""Of an envelope: a job has a dozen files."""


class NotVerified(ClientError):
    """Results are not what a service with that key says it has made."""

    code = "not_verified"


class _Model(BaseModel):
    """What another version adds is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Signature(_Model):
    """A signature in an envelope."""

    keyid: str = ""
    sig: str


class Envelope(_Model):
    """A DSSE envelope."""

    payload_type: str = Field(alias="payloadType")
    payload: str
    signatures: tuple[Signature, ...]


class Subject(_Model):
    """A file that a statement is about."""

    name: str
    digest: Mapping[str, str]


class Statement(_Model):
    """What a service says about files."""

    type: str = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: str = Field(alias="predicateType")
    predicate: Mapping[str, Any]


def pre_authentication(payload: bytes) -> bytes:
    """What is signed of a payload: its type and both lengths, too (DSSE 1.0, PAE)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_text(raw: bytes) -> str:
    """A public key as text."""
    return PREFIX + base64.b64encode(raw).decode()


def key_id(raw: bytes) -> str:
    """What an envelope calls a public key."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def public_key(text: str) -> bytes:
    """The 32 bytes of a public key as text.

    Raises:
        Unusable: it is none.
    """
    try:
        raw = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.strip().startswith(PREFIX) or len(raw) != KEY_BYTES:
        raise Unusable(f"{text.strip()[:80]!r} is not a public key; 'primesvt signing-key' prints it: {PREFIX}…")
    return raw


def verify(folder: Path, keys: Collection[bytes]) -> Statement:
    """Make sure that all files of a folder that a statement is about are what a service with one of the keys made.

    Returns:
        The statement: what the files were made from, by what.

    Raises:
        Unusable: there is no statement in the folder.
        NotVerified: nobody with one of the keys signed it, or a file is missing, or is another.
    """
    statement = signed_statement(_read(folder / FILE), keys)
    for subject in statement.subject:
        _check(place(folder, subject.name), subject)
    return statement


def signed_statement(line: bytes, keys: Collection[bytes]) -> Statement:
    """The statement of an envelope that one of the keys has signed.

    Raises:
        NotVerified: none has, or it is no statement about results.
    """
    try:
        envelope = Envelope.model_validate_json(line)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(one.sig, validate=True) for one in envelope.signatures]
    except (ValidationError, binascii.Error, ValueError):
        raise NotVerified(f"{FILE} is no signed statement; download the results again") from None
    if envelope.payload_type != PAYLOAD_TYPE or not any(_is_signed(payload, one, keys) for one in signatures):
        raise NotVerified(
            f"{FILE} is signed by none of the given keys; ask who runs the service for its key ('primesvt signing-key')"
        )
    try:
        statement = Statement.model_validate_json(payload)
    except ValidationError:
        raise NotVerified(f"{FILE} is signed, and is no statement about results") from None
    if (statement.type, statement.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise NotVerified(f"{FILE} is signed, and says something else than where results come from")
    return statement


def _is_signed(payload: bytes, signature: bytes, keys: Collection[bytes]) -> bool:
    from cryptography.exceptions import InvalidSignature  # takes a while to import
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for raw in keys:
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, pre_authentication(payload))
        except InvalidSignature:
            continue
        return True
    return False


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise Unusable(
            f"there is no statement {path}: {error.strerror}; give the folder of downloaded results"
        ) from None
    if len(found) > LARGEST_BYTES:
        raise NotVerified(f"{path} is larger than any statement")
    return found


def _check(path: Path, subject: Subject) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NotVerified(f"{subject.name} cannot be read: {error.strerror}; download the results again") from None
    if found != subject.digest.get("sha256"):
        raise NotVerified(f"{subject.name} is not the file that the service made; download the results again")
