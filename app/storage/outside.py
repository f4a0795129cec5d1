"""Files outside the store that the operator names: on a disk that workers see, or in an object store.

A location is an absolute path without links, or ``s3://bucket/key``. None ever comes from a client.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.errors import Invalid
from app.settings import Settings
from app.storage._base import BlobMissing, StoreUnavailable

if TYPE_CHECKING:
    from app.storage.s3 import S3Bucket

S3 = "s3://"
OWN_PREFIXES = frozenset({"artifacts", "marks", "readiness", "uploads", "workspaces"})
"""Where the service's own store keeps what is of teams."""

LONGEST_LOCATION = 4000


@dataclass(frozen=True)
class Seen:
    """How a file is now: its bytes, and what changes when it is written anew."""

    size_bytes: int
    version: str


def is_s3(location: str) -> bool:
    """Whether it is an object of an object store."""
    return location.startswith(S3)


def checked_location(given: str, settings: Settings) -> str:
    """The location that an operator means; of a path that is there, what its links lead to.

    Raises:
        Invalid: it is nothing that can be registered: a folder, a device, a file of the service itself.
    """
    if not given.isprintable() or not given or len(given) > LONGEST_LOCATION:
        raise Invalid(f"{given[:80]!r} is neither a path nor s3://bucket/key")
    if is_s3(given):
        _check_object(given, settings)
        return given
    if "://" in given:
        raise Invalid(f"{given}: give a path or s3://bucket/key")
    path = Path(os.path.realpath(given))
    if not path.is_absolute() or not str(path).isprintable() or len(str(path)) > LONGEST_LOCATION:
        raise Invalid(f"{given[:80]!r} leads to no path that can be registered")
    _check_foreign(path, settings)
    if path.exists():
        _check_plain(path, path.stat().st_mode)
    return str(path)


def look(location: str, settings: Settings) -> Seen:
    """How a file is now.

    Raises:
        Invalid: it can never be read: a link, a folder, a file of the service itself.
        OSError: it cannot be reached, by this process or at this moment.
    """
    if is_s3(location):
        bucket, key = _bucket(location, settings)
        try:
            return Seen(*bucket.look(key))
        except BlobMissing:
            raise FileNotFoundError(f"there is no {location}") from None
    path = Path(location)
    if os.path.realpath(path) != str(path):
        raise Invalid(f"{path} is a link, or lies below one; register what it leads to")
    _check_foreign(path, settings)
    with _opened(path) as descriptor:
        found_stat = os.fstat(descriptor)
        _check_plain(path, found_stat.st_mode)
        return Seen(found_stat.st_size, f"{found_stat.st_size}:{found_stat.st_mtime_ns}")


def read(location: str, settings: Settings) -> Iterator[bytes]:
    """The bytes of an object of an object store.

    Raises:
        BlobMissing: it is gone.
        StoreUnavailable: it cannot be read.
    """
    bucket, key = _bucket(location, settings)
    return bucket.open(key)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_plain(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise Invalid(
            f"{path} is a folder; a data set is one file: pack it, e.g. (cd {path} && zip -q -0 -r ../a.zip .)"
        )
    if not stat.S_ISREG(mode):
        raise Invalid(f"{path} is no plain file")


def _check_foreign(path: Path, settings: Settings) -> None:
    """Raises: Invalid: it is a file of the service: a team's upload, a result, the database."""
    for folder in (*settings.own_folders(), settings.scratch, settings.signing_key):
        if path.is_relative_to(os.path.realpath(folder)):
            raise Invalid(f"{path} lies in the service's own folder {folder}, with what is of teams; move it elsewhere")


def _check_object(location: str, settings: Settings) -> None:
    bucket, _, key = location.removeprefix(S3).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise Invalid(f"{location}: name one object, s3://bucket/key")
    own = urlsplit(settings.storage)
    prefix = own.path.strip("/")
    if own.scheme != "s3" or own.netloc != bucket or (prefix and not key.startswith(f"{prefix}/")):
        return
    if key.removeprefix(f"{prefix}/" if prefix else "").partition("/")[0] in OWN_PREFIXES:
        raise Invalid(f"{location} is where the service keeps what is of teams; move the object elsewhere")


def _bucket(location: str, settings: Settings) -> tuple[S3Bucket, str]:
    from botocore.exceptions import BotoCoreError

    from app.storage.s3 import S3Bucket  # boto3 takes a while to import

    bucket, _, key = location.removeprefix(S3).partition("/")
    try:
        found = S3Bucket(f"{S3}{bucket}", settings.s3_endpoint, timeout_seconds=settings.s3_timeout_seconds)
    except (BotoCoreError, ValueError) as error:  # no region, or an endpoint that is none
        raise StoreUnavailable(f"the object store cannot be asked: {error}") from error
    return found, key
