"""The example that comes with the service, as uploads of a team's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from app.catalog.records import Upload
from app.catalog.service import CatalogService
from app.catalog.states import UploadKind, UploadState
from app.errors import NotFound
from app.example_files import EXAMPLES, FILES, is_there

USABLE = frozenset({UploadState.STORED, UploadState.VALIDATING, UploadState.READY})
CHUNK = 1 << 20
LOOKED_THROUGH = 50
"""Uploads of the same size among which the same bytes are looked for."""


def add_example(catalog: CatalogService, team: str, folder: Path = EXAMPLES) -> Mapping[UploadKind, Upload]:
    """Store the example's checkpoint and data set, unless the team has them.

    Args:
        catalog: of the uploads.
        team: whose they will be.
        folder: with the files.

    Raises:
        NotFound: the service was installed without them.
        QuotaExceeded: the team has as many uploads, or stores as much, as it may.
    """
    if not is_there(folder):
        raise NotFound("this service was installed without the example; upload a checkpoint and a data set")
    return {kind: _upload(catalog, team, kind, folder / name) for kind, name in FILES.items()}


def _upload(catalog: CatalogService, team: str, kind: UploadKind, path: Path) -> Upload:
    """The team's upload of a file: the one that it has of the same bytes and name, or a new one."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        for upload in catalog.search(team, kind, None, None, LOOKED_THROUGH, size_bytes=size).items:
            if (upload.sha256, upload.name) == (sha256, path.name) and upload.state in USABLE:
                return upload
        upload = catalog.create(team, kind, path.name, size, sha256)
        if upload.state is not UploadState.CREATED:  # the team has the bytes
            return upload
        file.seek(0)
        for number in range(1, upload.parts + 1):
            catalog.put_part(team, upload.id, number, _part(file, upload.part_bytes), None)
    return catalog.complete(team, upload.id)


def _part(file: BinaryIO, size: int) -> Iterator[bytes]:
    for start in range(0, size, CHUNK):
        chunk = file.read(min(CHUNK, size - start))
        if not chunk:
            return
        yield chunk
