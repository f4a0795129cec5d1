"""Blobs in an S3-compatible store."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.storage._base import CHUNK, BlobMissing, StoredBlob, check_key

SPOOL_BYTES = 32 << 20
MISSING = {"404", "NoSuchKey", "NotFound"}


class S3Store:
    """Every blob an object below the URL's prefix; credentials as boto3 finds them."""

    def __init__(self, url: str, endpoint: str) -> None:
        parts = urlsplit(url)
        self.bucket, self.prefix = parts.netloc, parts.path.strip("/")
        config = Config(retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=5, read_timeout=60)
        self.client = boto3.client("s3", endpoint_url=endpoint or None, config=config)

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        digest, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
            for chunk in chunks:
                spool.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            spool.seek(0)
            self.client.upload_fileobj(spool, self.bucket, self._name(key))
        return StoredBlob(size, digest.hexdigest())

    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        size = self.size(key)
        if size is None:
            raise BlobMissing(key)
        end = size if length is None else min(size, start + length)
        if end <= start:
            return iter(())
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self._name(key), Range=f"bytes={start}-{end - 1}")
        except ClientError as error:
            if _is_missing(error):  # deleted since it was asked for
                raise BlobMissing(key) from None
            raise
        chunks: Iterator[bytes] = answer["Body"].iter_chunks(CHUNK)
        return chunks

    def size(self, key: str) -> int | None:
        try:
            return int(self.client.head_object(Bucket=self.bucket, Key=self._name(key))["ContentLength"])
        except ClientError as error:
            if _is_missing(error):
                return None
            raise

    def compose(self, key: str, parts: Sequence[str]) -> StoredBlob:
        stored = self.put(key, (chunk for part in parts for chunk in self.open(part)))
        for part in parts:
            self.delete(part)
        return stored

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def local_path(self, key: str) -> Path | None:
        return None

    def is_ready(self) -> bool:
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    def _name(self, key: str) -> str:
        return f"{self.prefix}/{check_key(key)}" if self.prefix else check_key(key)


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in MISSING
