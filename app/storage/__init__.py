"""Blob stores: where uploads and artifacts lie."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from app.settings import Settings
from app.storage._base import (
    FULL,
    PRESIGNED_URL_SECONDS,
    BlobMissing,
    BlobStore,
    MultipartUpload,
    Parts,
    SavedAs,
    StoredBlob,
    StoreFull,
    StoreUnavailable,
)
from app.storage.local import LocalStore
from app.storage.marker import NOT_SHARED, StorageMarker

__all__ = [
    "FULL",
    "NOT_SHARED",
    "PRESIGNED_URL_SECONDS",
    "BlobMissing",
    "BlobStore",
    "MultipartUpload",
    "Parts",
    "SavedAs",
    "StorageMarker",
    "StoreFull",
    "StoreUnavailable",
    "StoredBlob",
    "open_store",
    "store_of",
]


def store_of(settings: Settings) -> BlobStore:
    """The store that a process's settings name.

    Raises:
        ValueError: for a URL of another kind.
    """
    return open_store(
        settings.storage,
        settings.s3_endpoint,
        settings.s3_public_endpoint,
        timeout_seconds=settings.s3_timeout_seconds,
        keep_free_bytes=settings.keep_free_bytes,
    )


def open_store(
    url: str, endpoint: str = "", public_endpoint: str = "", *, timeout_seconds: float = 20, keep_free_bytes: int = 0
) -> BlobStore:
    """The store of a ``file:///…`` or ``s3://bucket/prefix`` URL.

    Raises:
        ValueError: for any other URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        # Names on disk are bytes.
        return LocalStore(Path(os.fsdecode(unquote_to_bytes(parts.path))), keep_free_bytes)
    if parts.scheme == "s3":
        from app.storage.s3 import S3Store  # boto3 takes a while to import

        return S3Store(url, endpoint, public_endpoint, timeout_seconds=timeout_seconds)
    raise ValueError(f"storage_url {url!r}: use file:///folder or s3://bucket/prefix")
