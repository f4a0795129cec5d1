"""Downloads with ranges, entity tags and digests (RFC 9110, RFC 9530)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from app.jobs.records import Artifact

RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def download(request: Request, artifact: Artifact, read: Callable[[int, int], Iterator[bytes]]) -> Response:
    """The whole file, a range of it, or nothing if the client has it already."""
    tag = f'"{artifact.sha256}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(artifact.sha256)).decode()}:",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(artifact.name.rsplit('/', 1)[-1], safe='')}",
    }
    known = [entry.strip().removeprefix("W/") for entry in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    wanted = _range(request, artifact.size_bytes, tag)
    if wanted is None:
        headers["Content-Length"] = str(artifact.size_bytes)
        return StreamingResponse(read(0, artifact.size_bytes), 200, headers, artifact.media_type)
    start, end = wanted
    headers |= {"Content-Range": f"bytes {start}-{end - 1}/{artifact.size_bytes}", "Content-Length": str(end - start)}
    return StreamingResponse(read(start, end - start), 206, headers, artifact.media_type)


def _range(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """First and end of the range asked for; None for the whole. What we do not understand is ignored."""
    match = RANGE.match(request.headers.get("range", ""))
    if match is None or match.groups() == ("", "") or request.headers.get("if-range", tag) != tag:
        return None
    first, last = match.groups()
    start = max(0, size - int(last)) if not first else int(first)
    end = size if not first or not last else min(size, int(last) + 1)
    if start >= end:
        raise HTTPException(416, f"the file has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return start, end
