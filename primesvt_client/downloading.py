"""Downloads artifacts: resumes interrupted downloads, checks digests, and leaves whole files only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import httpx

from primesvt_client.connection import RETRY_DELAYS, Connection, with_retries
from primesvt_client.errors import ClientError, Damaged
from primesvt_client.schemas.jobs import ArtifactView

CHUNK = 1 << 18
VIA_SERVER = "?direct=false"
OnPiece = Callable[[int], None]
"""Called with how many bytes of the file are present."""


def fetch(connection: Connection, job_id: str, artifact: ArtifactView, out_dir: Path, on_piece: OnPiece) -> Path:
    """One artifact as a file below ``out_dir``.

    Raises:
        Damaged: it is not what the server keeps, twice.
        ServerError: the server refused.
        Unreachable: no attempt was answered.
    """
    target = place(out_dir, artifact.name)
    if target.is_file() and _sha256(target) == artifact.sha256:
        on_piece(artifact.size_bytes)
        return target
    # The digest in its name: a part of another version of the file is never continued.
    part = target.with_name(f".{target.name}.{artifact.sha256[:16]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _fill(connection, job_id, artifact, part, on_piece):
            part.unlink()  # what an earlier run left may be what is damaged
            if not _fill(connection, job_id, artifact, part, on_piece):
                part.unlink()
                raise Damaged(f"{artifact.name} arrives damaged from {connection.server}; nothing was kept of it")
        part.replace(target)
    except OSError as error:
        raise ClientError(f"cannot write {target}: {error}") from None
    return target


def place(out_dir: Path, name: str) -> Path:
    """Where an artifact goes.

    Raises:
        ClientError: the server's name leads out of the folder.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable():
        raise ClientError(f"the server calls an artifact {name!r}, which is no name of a file here")
    return out_dir.joinpath(*path.parts)


def _fill(connection: Connection, job_id: str, artifact: ArtifactView, part: Path, on_piece: OnPiece) -> bool:
    """Complete a part file; returns whether it is the artifact."""
    path = f"jobs/{quote(job_id, safe='')}/artifacts/{quote(artifact.name)}"
    ways = ["", VIA_SERVER]

    def resume() -> None:
        there = part.stat().st_size if part.exists() else 0
        if there >= artifact.size_bytes > 0:
            return
        # Without If-Range, since storage has tags of its own: an artifact never changes, and is checked in the end.
        rest = {"Range": f"bytes={there}-"} if there else {}
        with connection.stream(path + ways[0], {"Accept-Encoding": "identity", **rest}) as answer:
            _write(answer, part, there, on_piece)

    try:
        with_retries(resume, RETRY_DELAYS[:1])
    except ClientError:  # the server may redirect to storage that is unreachable from here
        ways.pop(0)
        with_retries(resume)
    on_piece(artifact.size_bytes)
    return _sha256(part) == artifact.sha256


def _write(answer: httpx.Response, part: Path, there: int, on_piece: OnPiece) -> None:
    continues = answer.status_code == httpx.codes.PARTIAL_CONTENT
    there = there if continues else 0
    with part.open("ab" if continues else "wb") as file:
        for chunk in answer.iter_raw(CHUNK):
            file.write(chunk)
            there += len(chunk)
            on_piece(there)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
