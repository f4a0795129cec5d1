"""Uploads for clients: create, fill, complete, look at, forget. Every query takes the team."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.catalog.models import PartRow, UploadRow
from app.catalog.records import Upload, blob_key, part_count, part_key, record
from app.catalog.states import OPEN, UploadKind, UploadState
from app.db import Database, new_id, now
from app.errors import DigestMismatch, NotFound, PartOutOfRange, UploadClosed, UploadIncomplete, UploadInUse
from app.paging import Page, decode, page
from app.queue import Doorbell
from app.settings import Settings
from app.storage import BlobMissing, BlobStore
from app.teams import audit
from app.teams.quotas import admit_upload, server_quotas

LONGEST_NAME = 200
UPLOAD_PREFIX = "upl"


class CatalogService:
    """A team's uploads."""

    def __init__(self, database: Database, store: BlobStore, doorbell: Doorbell, settings: Settings) -> None:
        self.database, self.store, self.doorbell, self.settings = database, store, doorbell, settings

    def create(self, team: str, kind: UploadKind, name: str, size_bytes: int, sha256: str | None) -> Upload:
        """Announce an upload.

        Raises:
            TooLarge: beyond this server's or the team's limit.
            StorageQuotaExceeded: the team stores as much as it may.
        """
        row = UploadRow(
            id=new_id(UPLOAD_PREFIX), team_id=team, kind=kind.value, name=display_name(name),
            state=UploadState.CREATED.value, size_bytes=size_bytes, sha256=sha256,
            part_bytes=self.settings.part_bytes, created_at=now(), updated_at=now(),
        )  # fmt: skip
        with self.database.session() as session:
            admit_upload(session, team, size_bytes, server_quotas(self.settings))
            session.add(row)
            audit.note(session, team, "upload.create", row.id, name=row.name, size_bytes=size_bytes)
        return record(row, ())

    def put_part(self, team: str, upload_id: str, number: int, chunks: Iterable[bytes], sha256: str | None) -> Upload:
        """Take one part; parts come in any order, and may come again.

        Raises:
            PartOutOfRange: no such part, or of another size.
            DigestMismatch: it is not what was sent.
            UploadClosed: the upload takes no more parts.
        """
        upload = self._open(team, upload_id)
        if not 1 <= number <= upload.parts:
            raise PartOutOfRange(f"the upload has the parts 1 to {upload.parts}, not {number}")
        size = min(upload.part_bytes, upload.size_bytes - (number - 1) * upload.part_bytes)
        key = part_key(upload_id, number)
        # Checked as it comes: a part that does not fit never replaces one that did.
        stored = self.store.put(key, _checked_part(chunks, number, size, sha256))
        try:
            self._note_part(team, upload_id, number, stored.sha256)
        except (NotFound, UploadClosed):  # deleted or completed while the part was on its way
            self.store.delete(key)
            raise
        return self.get(team, upload_id)

    def complete(self, team: str, upload_id: str) -> Upload:
        """Everything was sent: join the parts, check the whole, have it validated. Asking again changes nothing.

        Raises:
            UploadIncomplete: parts are missing.
            DigestMismatch: the whole is not what was announced; the upload stays open.
        """
        upload = self.get(team, upload_id)
        if upload.state not in OPEN:
            return upload
        missing = sorted(set(range(1, upload.parts + 1)) - set(upload.received_parts))
        if missing:
            raise UploadIncomplete(f"{len(missing)} of {upload.parts} parts are missing, the first is {missing[0]}")
        try:
            sha256 = self._join(upload)
        except BlobMissing:
            self.get(team, upload_id)  # tells if the upload was deleted meanwhile
            raise
        with self.database.session() as session:
            stored = update(UploadRow).where(UploadRow.id == upload_id, UploadRow.state.in_([s.value for s in OPEN]))
            values = {"sha256": sha256, "state": UploadState.STORED.value, "updated_at": now()}
            # Somebody who completed it at the same time may have been first, and a worker may have it already.
            is_first = session.execute(stored.values(**values)).rowcount == 1  # type: ignore[attr-defined]
            if is_first:
                audit.note(session, team, "upload.complete", upload_id, sha256=sha256)
        if is_first:
            self.doorbell.ring_upload(upload_id)
        try:
            return self.get(team, upload_id)
        except NotFound:  # deleted while the parts were joined
            self.store.delete(blob_key(upload_id))
            raise

    def _join(self, upload: Upload) -> str:
        """Make one blob of the parts, unless that was done before; returns its sha256.

        Raises:
            DigestMismatch: it is not what was announced.
        """
        whole, parts = blob_key(upload.id), [part_key(upload.id, number) for number in range(1, upload.parts + 1)]
        try:
            sha256 = self._checked(upload, [whole] if self._is_joined(upload) else parts)
            if not self._is_joined(upload):
                self.store.compose(whole, parts)
        except BlobMissing:  # somebody has joined them meanwhile
            sha256 = self._checked(upload, [whole])
        for key in parts:  # what a join that was cut short has left
            self.store.delete(key)
        return sha256

    def _is_joined(self, upload: Upload) -> bool:
        return self.store.size(blob_key(upload.id)) == upload.size_bytes

    def _checked(self, upload: Upload, keys: Iterable[str]) -> str:
        digest = hashlib.sha256()
        for key in keys:
            for chunk in self.store.open(key):
                digest.update(chunk)
        if upload.sha256 is not None and digest.hexdigest() != upload.sha256.lower():
            raise DigestMismatch(
                f"the upload has the sha256 {digest.hexdigest()}, not {upload.sha256}; send the parts again"
            )
        return digest.hexdigest()

    def get(self, team: str, upload_id: str) -> Upload:
        """One upload.

        Raises:
            NotFound: the team has none of that id.
        """
        with self.database.session() as session:
            return record(self._row(session, team, upload_id), self._received(session, upload_id))

    def search(
        self,
        team: str,
        kind: UploadKind | None = None,
        state: UploadState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Upload]:
        """Uploads, newest first."""
        query = select(UploadRow).where(UploadRow.team_id == team).order_by(UploadRow.id.desc()).limit(limit + 1)
        if kind is not None:
            query = query.where(UploadRow.kind == kind.value)
        if state is not None:
            query = query.where(UploadRow.state == state.value)
        if cursor is not None:
            query = query.where(UploadRow.id < decode(cursor, UPLOAD_PREFIX))
        with self.database.session() as session:
            uploads = [record(row, self._received(session, row.id)) for row in session.scalars(query)]
        return page(uploads, limit, [upload.id for upload in uploads])

    def delete(self, team: str, upload_id: str) -> None:
        """Forget an upload and its content.

        Raises:
            UploadInUse: jobs refer to it.
        """
        upload = self.get(team, upload_id)
        try:
            with self.database.session() as session:
                session.query(PartRow).where(PartRow.upload_id == upload_id).delete()
                session.delete(self._row(session, team, upload_id))
                audit.note(session, team, "upload.delete", upload_id, name=upload.name)
        except IntegrityError:
            raise UploadInUse(f"jobs refer to {upload.name}; delete them first") from None
        for number in upload.received_parts:
            self.store.delete(part_key(upload_id, number))
        self.store.delete(blob_key(upload_id))

    def _open(self, team: str, upload_id: str) -> Upload:
        upload = self.get(team, upload_id)
        if upload.state not in OPEN:
            raise _closed(upload.state)
        return upload

    def _note_part(self, team: str, upload_id: str, number: int, sha256: str) -> None:
        with self.database.session() as session:
            # Locked: the same part may come twice at once, and the upload may be completed or expire meanwhile.
            row = self._row(session, team, upload_id, lock=True)
            if UploadState(row.state) not in OPEN:
                raise _closed(UploadState(row.state))
            row.state, row.updated_at = UploadState.UPLOADING.value, now()
            session.merge(PartRow(upload_id=upload_id, number=number, sha256=sha256))

    @staticmethod
    def _row(session: Session, team: str, upload_id: str, *, lock: bool = False) -> UploadRow:
        row = session.get(UploadRow, upload_id, with_for_update=True if lock else None)
        if row is None or row.team_id != team:
            raise NotFound(f"there is no upload {upload_id[:60]}")
        return row

    @staticmethod
    def _received(session: Session, upload_id: str) -> list[int]:
        return [*session.scalars(select(PartRow.number).where(PartRow.upload_id == upload_id))]


def display_name(name: str) -> str:
    """A client's file name as text to show: `printable`, without folders. Never used as a path."""
    return printable(PurePosixPath(name.replace("\\", "/")).name)


def printable(name: str) -> str:
    """A name as text to show: no control characters, not empty, not too long."""
    return "".join(c for c in name if c.isprintable()).strip()[:LONGEST_NAME] or "unnamed"


def _closed(state: UploadState) -> UploadClosed:
    return UploadClosed(f"the upload is {state}: it takes no more parts")


def _checked_part(chunks: Iterable[bytes], number: int, size: int, sha256: str | None) -> Iterator[bytes]:
    """The chunks of a part; raises, at the end at the latest, if they are not what belongs to it."""
    seen, digest = 0, hashlib.sha256()
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise PartOutOfRange(f"part {number} has more than the {size:,} bytes that belong to it")
        digest.update(chunk)
        yield chunk
    if seen != size:
        raise PartOutOfRange(f"part {number} has {seen:,} bytes; {size:,} belong to it")
    if sha256 is not None and digest.hexdigest() != sha256.lower():
        raise DigestMismatch(f"part {number} has the sha256 {digest.hexdigest()}, not {sha256}; send it again")


__all__ = ["CatalogService", "display_name", "part_count", "printable"]
