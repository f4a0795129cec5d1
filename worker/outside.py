"""Inputs as files that a child can read: uploads from the store, registered data sets from where they lie."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.catalog.records import Outside, UploadContent
from app.errors import DatasetChanged, Invalid
from app.settings import Settings
from app.storage import BlobMissing, BlobStore, StoreUnavailable
from app.storage.outside import is_s3, look, read
from worker.heartbeat import LeaseHeartbeat
from worker.inputs import fetch_input, hash_in_thread, safe_name, wait_for

ASK = "who runs the service can put the file back, or remove the data set and register it anew"


def fetch(
    store: BlobStore, settings: Settings, content: UploadContent, folder: Path, heartbeat: LeaseHeartbeat
) -> Path:
    """A file of the content, in ``folder``, which is made anew; of a registered path a link to exactly that file.

    Raises:
        DatasetChanged: a registered data set is not what was validated.
        Invalid: it is not validated yet, and can never be read.
        ContentChanged: an upload has been verified, and is not what it was then.
        BlobMissing: it is gone.
        OSError: it cannot be reached from here.
    """
    if content.outside is None:
        return fetch_input(store, content, folder, heartbeat)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / safe_name(content.name)
    if is_s3(content.outside.location):
        return _downloaded(content, content.outside, settings, path, heartbeat)
    _check_unchanged(content, content.outside, settings, heartbeat)
    path.symlink_to(content.outside.location)
    return path


def _check_unchanged(content: UploadContent, outside: Outside, settings: Settings, heartbeat: LeaseHeartbeat) -> None:
    """By size and time of writing; only where the time differs, as on another machine's copy, by the digest."""
    try:
        seen = look(outside.location, settings)
    except Invalid:  # whose message says where it lies
        if outside.version is None:
            raise
        raise DatasetChanged(f"{_registered(content)} is no plain file in its place any more; {ASK}") from None
    except OSError as error:
        raise OSError(error.errno, f"this worker cannot read {_registered(content)}: {error.strerror}") from None
    if outside.version in (None, seen.version):
        return
    if seen.size_bytes == outside.size_bytes:
        with hash_in_thread(Path(outside.location)) as digest:
            if wait_for(digest, heartbeat) == content.sha256:
                return
    raise DatasetChanged(_changed(content))


def _downloaded(
    content: UploadContent, outside: Outside, settings: Settings, path: Path, heartbeat: LeaseHeartbeat
) -> Path:
    digest = hashlib.sha256()
    try:
        chunks = read(outside.location, settings)
    except (BlobMissing, StoreUnavailable) as error:
        raise _unreadable(content, error) from error
    with path.open("wb") as file:
        while chunk := _next(chunks, content):
            heartbeat.renew_if_due()
            file.write(chunk)
            digest.update(chunk)
    if outside.version is not None and content.sha256 != digest.hexdigest():
        raise DatasetChanged(_changed(content))
    return path


def _next(chunks: Iterator[bytes], content: UploadContent) -> bytes:
    try:
        return next(chunks, b"")
    except (BlobMissing, StoreUnavailable) as error:
        raise _unreadable(content, error) from error


def _unreadable(content: UploadContent, error: Exception) -> OSError:
    return OSError(f"this worker cannot read {_registered(content)}: {type(error).__name__}")


def _registered(content: UploadContent) -> str:
    """What teams are told of it: the name of the file, never where it lies."""
    return f"the registered data set {content.name}"


def _changed(content: UploadContent) -> str:
    return f"{_registered(content)} is not what it was when it was validated; {ASK}"
