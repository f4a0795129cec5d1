"""Blobs in an S3-compatible store."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.storage._base import (
    CHUNK,
    BlobMissing,
    MultipartUpload,
    Parts,
    SavedAs,
    StoredBlob,
    StoreUnavailable,
    check_key,
)

SPOOL_BYTES = 1 << 20
SMALLEST_PART, MOST_PARTS = 5 << 20, 10_000
"""S3's limits of a multipart upload; the last part may be smaller."""

PIECE_BYTES = 8 << 20
"""What is put without its size being known goes in parts of this size, kept in memory one at a time."""

READ_TRIES = 4
MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchUpload", "InvalidPart", "InvalidPartOrder"}


class S3Store:
    """Every blob an object below the URL's prefix; credentials as boto3 finds them.

    Presigned URLs of parts end with their multipart upload: what was completed cannot be written over.
    """

    def __init__(self, url: str, endpoint: str, public_endpoint: str = "", *, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        self.bucket, self.prefix = parts.netloc, parts.path.strip("/")
        self.client = _client(endpoint, timeout_seconds)
        self.signer = _client(public_endpoint, timeout_seconds) if public_endpoint else None

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        digest, size = hashlib.sha256(), 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        pieces = _pieces(counted())
        first, second = next(pieces, b""), next(pieces, None)
        if second is None:
            with self._asking(key):
                self.client.put_object(**self._at(key), Body=first)
        else:
            self._put_pieces(key, chain((first, second), pieces))
        return StoredBlob(size, digest.hexdigest())

    def _put_pieces(self, key: str, pieces: Iterable[bytes]) -> None:
        upload = self._create(key)
        try:
            tags = [self._put_part(upload, number, piece) for number, piece in enumerate(pieces, start=1)]
            self._complete(upload, tags)
        except BaseException:
            with suppress(StoreUnavailable):  # the reconciler finds it
                self.abort_multipart(upload)
            raise

    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with self._asking(key):
            found = self.client.head_object(**self._at(key))
        size, tag = int(found["ContentLength"]), str(found["ETag"])
        return self._read(key, tag, start, size if length is None else min(size, start + length))

    def _read(self, key: str, tag: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` to ``end``, asked for again from where an answer broke off."""
        failures = 0
        while start < end:
            try:
                with self._asking(key):
                    wanted = {"Range": f"bytes={start}-{end - 1}", "IfMatch": tag}
                    body = self.client.get_object(**self._at(key), **wanted)["Body"]
                with body:
                    for chunk in body.iter_chunks(CHUNK):
                        start, failures = start + len(chunk), 0
                        yield chunk
            except BotoCoreError as error:
                failures += 1
                if failures == READ_TRIES:
                    raise StoreUnavailable(f"reading {key} broke off {READ_TRIES} times: {error}") from error

    def size(self, key: str) -> int | None:
        try:
            with self._asking(key):
                return int(self.client.head_object(**self._at(key))["ContentLength"])
        except BlobMissing:
            return None

    def delete(self, key: str) -> None:
        with suppress(BlobMissing), self._asking(key):
            self.client.delete_object(**self._at(key))

    def plan_parts(self, size: int, part_bytes: int) -> Parts:
        return Parts(size, max(part_bytes, SMALLEST_PART, math.ceil(size / MOST_PARTS)))

    def create_multipart(self, key: str, parts: Parts) -> MultipartUpload:
        return self._create(key)

    def put_part(self, upload: MultipartUpload, parts: Parts, number: int, chunks: Iterable[bytes]) -> None:
        # Spooled, because boto3 sends a part again where that helps, and signs its digest.
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
            for chunk in chunks:
                spool.write(chunk)
            spool.seek(0)
            self._put_part(upload, number, spool)

    def list_parts(self, upload: MultipartUpload, parts: Parts) -> frozenset[int]:
        try:
            found = self._parts(upload)
        except BlobMissing:
            return frozenset()
        return frozenset(
            number for number, (size, _) in found.items() if number <= parts.count and size == parts.size_of(number)
        )

    def complete_multipart(self, upload: MultipartUpload, parts: Parts) -> None:
        if self.size(upload.key) == parts.size:  # completed before, and the answer got lost
            return
        found, tags = self._parts(upload), []
        for number in range(1, parts.count + 1):
            size, tag = found.get(number, (-1, ""))
            if size != parts.size_of(number):
                raise BlobMissing(f"part {number} of {upload.key}")
            tags.append(tag)
        if parts.size:
            self._complete(upload, tags)
        else:  # stores differ in whether a multipart upload may be empty
            self.put(upload.key, ())
            self.abort_multipart(upload)

    def abort_multipart(self, upload: MultipartUpload) -> None:
        with suppress(BlobMissing), self._asking(upload.key):
            self.client.abort_multipart_upload(**self._of(upload))

    def list_multipart(self, created_before: datetime) -> Iterator[MultipartUpload]:
        listing = self.client.get_paginator("list_multipart_uploads")
        with self._asking(self.prefix):
            for page in listing.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/" if self.prefix else ""):
                for found in page.get("Uploads", ()):
                    if found["Initiated"] < created_before:
                        yield MultipartUpload(found["Key"].removeprefix(f"{self.prefix}/"), found["UploadId"])

    def presigned_part_url(self, upload: MultipartUpload, parts: Parts, number: int, seconds: int) -> str | None:
        if self.signer is None or not parts.size:
            return None
        # The length is signed: what is stored is never more than was announced.
        asked = {**self._of(upload), "PartNumber": number, "ContentLength": parts.size_of(number)}
        return str(self.signer.generate_presigned_url("upload_part", asked, seconds))

    def presigned_url(self, key: str, saved_as: SavedAs, seconds: int) -> str | None:
        if self.signer is None:
            return None
        headers = {"ResponseContentDisposition": saved_as.disposition, "ResponseContentType": saved_as.media_type}
        return str(self.signer.generate_presigned_url("get_object", {**self._at(key), **headers}, seconds))

    def public_origin(self) -> str:
        return "" if self.signer is None else "{0.scheme}://{0.netloc}".format(urlsplit(self.signer.meta.endpoint_url))

    def local_path(self, key: str) -> Path | None:
        return None

    def is_ready(self) -> bool:
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    def _create(self, key: str) -> MultipartUpload:
        with self._asking(key):
            return MultipartUpload(key, self.client.create_multipart_upload(**self._at(key))["UploadId"])

    def _put_part(self, upload: MultipartUpload, number: int, body: Any) -> str:
        with self._asking(upload.key):
            return str(self.client.upload_part(**self._of(upload), PartNumber=number, Body=body)["ETag"])

    def _parts(self, upload: MultipartUpload) -> dict[int, tuple[int, str]]:
        """Sizes and tags of the parts that the store has."""
        with self._asking(upload.key):
            pages = self.client.get_paginator("list_parts").paginate(**self._of(upload))
            found = [part for page in pages for part in page.get("Parts", ())]
        return {part["PartNumber"]: (part["Size"], part["ETag"]) for part in found}

    def _complete(self, upload: MultipartUpload, tags: Iterable[str]) -> None:
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
        with self._asking(upload.key):
            self.client.complete_multipart_upload(**self._of(upload), MultipartUpload={"Parts": parts})

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{check_key(key)}" if self.prefix else check_key(key)}

    def _of(self, upload: MultipartUpload) -> dict[str, Any]:
        return {**self._at(upload.key), "UploadId": upload.token}

    @contextmanager
    def _asking(self, subject: str) -> Iterator[None]:
        """Turns what the store raises into the errors of `_base`."""
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in MISSING:
                raise BlobMissing(subject) from None
            raise StoreUnavailable(f"the object store refuses {error.operation_name}: {code}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"the object store does not answer: {error}") from error


class S3Bucket(S3Store):
    """Any object of a bucket that the credentials may read, by keys that an operator has named; only for reading."""

    def look(self, key: str) -> tuple[int, str]:
        """Bytes of an object, and its tag, which changes with them.

        Raises:
            BlobMissing: there is none.
        """
        with self._asking(key):
            found = self.client.head_object(**self._at(key))
        return int(found["ContentLength"]), str(found["ETag"])

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": key}


def _client(endpoint: str, timeout_seconds: float) -> Any:
    config = Config(
        retries={"max_attempts": 5, "mode": "standard"},
        connect_timeout=min(5, timeout_seconds),
        read_timeout=timeout_seconds,
        max_pool_connections=64,
        signature_version="s3v4",
        # Trailing checksums are unknown to many S3-compatible stores; bodies are covered by the signature instead.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", endpoint_url=endpoint or None, config=config)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of `PIECE_BYTES`, the last one smaller."""
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        while len(gathered) >= PIECE_BYTES:
            yield bytes(gathered[:PIECE_BYTES])
            del gathered[:PIECE_BYTES]
    if gathered:
        yield bytes(gathered)
