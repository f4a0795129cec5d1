"""Downloads with ranges, entity tags and digests (RFC 9110, RFC 9530)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from app.api.digest_fields import digest_field
from app.jobs.records import Artifact

RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*\Z", re.ASCII | re.IGNORECASE)


def download(
    request: Request, artifact: Artifact, read: Callable[[int, int], Iterator[bytes]], address: str | None = None
) -> Response:
    """The whole file, a range of it, 304 if the client has it already, or a redirect to storage."""
    tag, size, headers = _tag(artifact), artifact.size_bytes, _headers(artifact)
    if _is_cached(request, tag):
        return Response(status_code=304, headers=headers)
    if address is not None:
        return Response(status_code=307, headers={**headers, "Location": address})
    requested = _range(request, size, tag)
    if requested is None:
        headers |= {"Content-Length": str(size), "Content-Digest": digest_field(artifact.sha256)}
        return StreamingResponse(read(0, size), 200, headers, artifact.media_type)
    start, end = requested
    headers |= {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
    return StreamingResponse(read(start, end - start), 206, headers, artifact.media_type)


def described(request: Request, artifact: Artifact) -> Response:
    """What a download of the whole file would say, without its bytes; ranges do not matter (RFC 9110)."""
    headers = _headers(artifact)
    if _is_cached(request, _tag(artifact)):
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Length": str(artifact.size_bytes), "Content-Digest": digest_field(artifact.sha256)}
    return Response(status_code=200, headers=headers, media_type=artifact.media_type)


def _tag(artifact: Artifact) -> str:
    return f'"{artifact.sha256}"'


def _headers(artifact: Artifact) -> dict[str, str]:
    """Of every answer about a file."""
    return {
        "ETag": _tag(artifact),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Repr-Digest": digest_field(artifact.sha256),
        "Content-Disposition": disposition(artifact.name),
    }


def disposition(name: str) -> str:
    """Save, do not show: the file's name without folders, in ASCII for old clients and in full for others."""
    last = name.rsplit("/", 1)[-1]
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in last)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"


def _is_cached(request: Request, tag: str) -> bool:
    tags = [entry.strip().removeprefix("W/") for entry in request.headers.get("if-none-match", "").split(",")]
    return tag in tags or "*" in tags


def _range(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """First and end of the requested range; None for the whole. Several ranges and other units are ignored."""
    match = RANGE.match(request.headers.get("range", ""))
    if match is None or match.groups() == ("", "") or request.headers.get("if-range", tag) != tag:
        return None
    first, last = match.groups()
    if first and last and int(first) > int(last):
        return None  # invalid, and to be ignored (RFC 9110)
    start = max(0, size - int(last)) if not first else int(first)
    end = size if not first or not last else min(size, int(last) + 1)
    if start >= end:
        raise HTTPException(416, f"the file has {size:,} bytes", {"Content-Range": f"bytes */{size}"})
    return start, end
