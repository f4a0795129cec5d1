"""Files of plain forms, stored as uploads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile

from app.catalog.records import Upload
from app.catalog.states import UploadKind
from app.services import Services

CHUNK = 1 << 20


def chosen_file(form: FormData, name: str) -> UploadFile | None:
    """The file of an input; None if none was chosen."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


def text_fields(form: FormData) -> dict[str, str]:
    """The text inputs of a form."""
    return {name: value for name, value in form.items() if isinstance(value, str)}


def store(services: Services, team: str, kind: UploadKind, file: UploadFile) -> Upload:
    """Store a form's file as an upload and queue its validation.

    Raises:
        TooLarge: the file exceeds the limit of uploads.
    """
    catalog, source = services.catalog, file.file
    upload = catalog.create(team, kind, file.filename or "unnamed", file.size or 0, None)
    for number in range(1, upload.parts + 1):
        catalog.put_part(team, upload.id, number, _part(source, upload.part_bytes), None)
    return catalog.complete(team, upload.id)


def _part(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (chunk := source.read(min(CHUNK, size))):
        size -= len(chunk)
        yield chunk
