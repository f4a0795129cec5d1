"""Results that are signed, and told from others."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.signing import SigningKey, SigningKeyUnusable, signing_key
from primesvt_client.commands import verifying
from primesvt_client.errors import ClientError, Unusable
from primesvt_client.provenance import FILE, NotVerified, pre_authentication, public_key, verify

FILES = {"model.safetensors": b"weights", "figures/layers.png": b"picture"}


def said(**changes: Any) -> dict[str, Any]:
    subject = [{"name": name, "digest": {"sha256": hashlib.sha256(held).hexdigest()}} for name, held in FILES.items()]
    kinds = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1"}
    return {**kinds, "subject": subject, "predicate": {"buildDefinition": {}}, **changes}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return signing_key(tmp_path / "key.pem")


@pytest.fixture
def results(tmp_path: Path, key: SigningKey) -> Path:
    folder = tmp_path / "results"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / FILE).write_bytes(key.sign(said()))
    return folder


def test_what_is_signed_is_what_the_specification_says() -> None:
    assert pre_authentication(b"hello").startswith(b"DSSEv1 28 application/vnd.in-toto+json 5 hello")


def test_results_as_they_were_made_are_verified(results: Path, key: SigningKey) -> None:
    other = SigningKey(Ed25519PrivateKey.generate())
    found = verify(results, [public_key(other.public), public_key(key.public)])
    assert [one.name for one in found.subject] == [*FILES]
    envelope = json.loads((results / FILE).read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert json.loads(base64.b64decode(envelope["payload"])) == said()
    assert envelope["signatures"][0]["keyid"] == key.id


def changed_payload(envelope: dict[str, Any]) -> None:
    statement = said(predicate={"buildDefinition": {"buildType": "another"}})
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def without_signature(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = []


def of_another_type(envelope: dict[str, Any]) -> None:
    envelope["payloadType"] = "text/plain"


def of_no_base64(envelope: dict[str, Any]) -> None:
    envelope["payload"] = "?"


@pytest.mark.parametrize("change", [changed_payload, without_signature, of_another_type, of_no_base64])
def test_a_statement_that_was_changed_is_not_believed(
    results: Path, key: SigningKey, change: Callable[[dict[str, Any]], None]
) -> None:
    envelope = json.loads((results / FILE).read_bytes())
    change(envelope)
    (results / FILE).write_text(json.dumps(envelope))
    with pytest.raises(NotVerified):
        verify(results, [public_key(key.public)])


@pytest.mark.parametrize(
    "statement",
    [
        said(_type="https://in-toto.io/Statement/v0.1"),
        said(predicateType="https://example.org/"),
        said(subject=[]),
        said(subject=[{"name": "../key.pem", "digest": {}}]),
        said(subject=[{"name": "model.safetensors", "digest": {"sha1": "0"}}]),
    ],
)
def test_a_signed_statement_about_something_else_is_not_believed(
    results: Path, key: SigningKey, statement: dict[str, Any]
) -> None:
    (results / FILE).write_bytes(key.sign(statement))
    with pytest.raises(ClientError):
        verify(results, [public_key(key.public)])


def test_other_files_and_other_keys_are_told(results: Path, key: SigningKey, tmp_path: Path) -> None:
    other = signing_key(tmp_path / "another.pem")
    with pytest.raises(NotVerified, match="none of the given keys"):
        verify(results, [public_key(other.public)])
    (results / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(NotVerified, match=r"model\.safetensors is not the file"):
        verify(results, [public_key(key.public)])
    (results / "model.safetensors").unlink()
    with pytest.raises(NotVerified, match=r"model\.safetensors cannot be read"):
        verify(results, [public_key(key.public)])
    (results / FILE).unlink()
    with pytest.raises(Unusable, match="there is no statement"):
        verify(results, [public_key(key.public)])


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 44, "ed25519:?" + "A" * 42])
def test_what_is_no_key_is_told(text: str) -> None:
    with pytest.raises(Unusable, match="is not a public key"):
        public_key(text)


def test_a_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key.pem"
    with ThreadPoolExecutor(8) as pool:
        assert len({found.public for found in pool.map(signing_key, [path] * 8)}) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key.pem"]


def test_what_is_no_key_of_ours_is_refused_and_kept(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"no key", other):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(SigningKeyUnusable, match=r"key\.pem"):
            signing_key(tmp_path / "key.pem")
        assert (tmp_path / "key.pem").read_bytes() == content


def test_the_command_takes_keys_as_text_and_as_files(
    results: Path, key: SigningKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").write_text(f"{key.public}\n")
    for given in (key.public, str(tmp_path / "keys")):
        verifying.verify(results, [given], json=True)
        told = json.loads(capsys.readouterr().out)
        assert (told["verified"], told["files"]) == (True, [*FILES])
