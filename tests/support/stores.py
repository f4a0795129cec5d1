"""Stores that uploads and artifacts are tested on: a folder, and real S3 where its server is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.storage import BlobStore, open_store
from tests.support.swift import Swift

KINDS = ("file", "s3")


def store_url(kind: str, folder: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """URL and endpoint of an empty store that nobody else uses."""
    if kind == "file":
        return (folder / "blobs").as_uri(), ""
    swift: Swift = request.getfixturevalue("swift")
    return f"s3://{swift.fresh_bucket()}/below", swift.endpoint


def fresh_store(kind: str, folder: Path, request: pytest.FixtureRequest, *, is_public: bool = False) -> BlobStore:
    """An empty store that nobody else uses; clients reach it themselves if it is public."""
    url, endpoint = store_url(kind, folder, request)
    return open_store(url, endpoint, endpoint if is_public else "")
