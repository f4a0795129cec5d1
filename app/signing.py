"""The key with which a service signs its results (Ed25519), kept in a file for its user alone."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from primesvt_client.errors import ReportedError
from primesvt_client.provenance import PAYLOAD_TYPE, key_id, key_text, pre_authentication


class SigningKeyUnusable(ReportedError):
    """The file is no key, or cannot be read."""

    code = "signing_key_unusable"
    is_input = True


class SigningKey:
    """Signs statements."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key().public_bytes_raw()

    @property
    def public(self) -> str:
        """The public key, for who verifies."""
        return key_text(self._public)

    @property
    def id(self) -> str:
        """What envelopes call it."""
        return key_id(self._public)

    def sign(self, statement: Mapping[str, Any]) -> bytes:
        """An envelope with a statement, as a line."""
        payload = json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()
        signature = self._private.sign(pre_authentication(payload))
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": self.id, "sig": base64.b64encode(signature).decode()}],
        }
        return json.dumps(envelope, separators=(",", ":")).encode() + b"\n"


def signing_key(path: Path) -> SigningKey:
    """The key in a file, which is made if there is none.

    Raises:
        SigningKeyUnusable: the file is no key, or cannot be read or made.
    """
    try:
        _make(path)
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyUnusable(f"{path} is no key that signs results: {error}; {WHAT_TO_DO}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeyUnusable(f"{path} holds a key of another kind than Ed25519; {WHAT_TO_DO}")
    return SigningKey(private)


WHAT_TO_DO = "restore it from a back-up, or move it away: another is made, whose public key is to be handed out"


def _make(path: Path) -> None:
    """Make a key, whole or not at all: of two that begin at once one key stays."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # fails where another process was quicker, whose key it is then
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
