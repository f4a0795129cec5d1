"""Images pinned by digest, as a registry answers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from release.images import FILES, digest_of, images_of, pin, pinned, repository_of
from release.stages import ReleaseError

COMPOSE = "services:\n  a:\n    image: postgres:17\n  b:\n    image: chrislusf/seaweedfs:3.97\n"
DOCKERFILE = "FROM python:3.12-slim AS build\nRUN true\nFROM python:3.12-slim\n"


def digest(name: str, tag: str) -> str:
    return "sha256:" + hashlib.sha256(f"{name}:{tag}".encode()).hexdigest()


def registry(request: httpx.Request) -> httpx.Response:
    """Answers as the specification says: with a challenge first."""
    if request.url.host == "auth.example.org":
        assert dict(request.url.params) == {"service": "registry", "scope": "repository:library/postgres:pull"}
        return httpx.Response(200, json={"token": "abc"})
    assert request.method == "HEAD"
    assert "application/vnd.oci.image.index.v1+json" in request.headers["accept"]
    if request.headers.get("authorization") != "Bearer abc":
        asks = (
            'Bearer realm="https://auth.example.org/token",service="registry",scope="repository:library/postgres:pull"'
        )
        return httpx.Response(401, headers={"WWW-Authenticate": asks})
    assert request.url.path == "/v2/library/postgres/manifests/17"
    return httpx.Response(200, headers={"Docker-Content-Digest": digest("postgres", "17")})


def test_a_registry_is_asked_for_the_digest_with_its_token() -> None:
    with httpx.Client(transport=httpx.MockTransport(registry)) as client:
        assert digest_of(client, "postgres", "17") == digest("postgres", "17")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(200, headers={"Docker-Content-Digest": "sha256:short"}),
        httpx.Response(404),
        httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="http://auth.example.org/token"'}),
        httpx.Response(401),
    ],
)
def test_what_is_no_answer_is_no_digest(answer: httpx.Response) -> None:
    with httpx.Client(transport=httpx.MockTransport(lambda _: answer)) as client, pytest.raises(ReleaseError):
        digest_of(client, "postgres", "17")


def test_every_image_is_pinned_and_pinned_anew(tmp_path: Path) -> None:
    compose, dockerfile = tmp_path / "compose", tmp_path / "Dockerfile"
    compose.write_text(COMPOSE)
    dockerfile.write_text(DOCKERFILE)
    for _ in range(2):
        assert pin((compose, dockerfile), digest) == 3
        assert f"image: postgres:17@{digest('postgres', '17')}\n" in compose.read_text()
        image = f"python:3.12-slim@{digest('python', '3.12-slim')}"
        assert dockerfile.read_text() == f"FROM {image} AS build\nRUN true\nFROM {image}\n"


def test_a_registry_that_does_not_answer_changes_no_file(tmp_path: Path) -> None:
    compose = tmp_path / "compose"
    compose.write_text(COMPOSE)

    def fail(name: str, tag: str) -> str:
        if name == "postgres":
            return digest(name, tag)
        raise ReleaseError("away")

    with pytest.raises(ReleaseError):
        pin((compose,), fail)
    assert compose.read_text() == COMPOSE


def test_our_files_name_the_images_that_are_found() -> None:
    found = {name for path in FILES for name, _ in images_of(path.read_text())}
    assert found == {"postgres", "valkey/valkey", "chrislusf/seaweedfs", "python"}
    for path in FILES:
        text = path.read_text()
        assert images_of(pinned(text, {image: digest(*image) for image in images_of(text)})) == images_of(text)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("python", ("https://registry-1.docker.io", "library/python")),
        ("valkey/valkey", ("https://registry-1.docker.io", "valkey/valkey")),
        ("ghcr.io/a/b", ("https://ghcr.io", "a/b")),
        ("localhost:5000/a", ("https://localhost:5000", "a")),
    ],
)
def test_where_an_image_comes_from(name: str, where: tuple[str, str]) -> None:
    assert repository_of(name) == where
