"""Uploads for clients: create, fill, complete, look at, forget. Every query takes the team."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import PurePosixPath

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from app.catalog import contents, records
from app.catalog.contents import Contents
from app.catalog.models import UploadRow
from app.catalog.offers import find_offered, is_registered
from app.catalog.queue import announce_verdict
from app.catalog.records import PresignedPart, Upload, blob_key, record
from app.catalog.states import OPEN, UploadKind, UploadState
from app.db import Database, now
from app.errors import DigestMismatch, NotFound, PartOutOfRange, UploadClosed, UploadIncomplete, UploadInUse
from app.ids import new_id
from app.names import printable
from app.paging import Page, decode, page
from app.queue import Notifier
from app.settings import Settings
from app.storage import PRESIGNED_URL_SECONDS, BlobMissing, BlobStore, MultipartUpload, Parts
from app.teams import audit
from app.teams.admission import Admission

UPLOAD_PREFIX = "upl"


class CatalogService:
    """A team's uploads."""

    def __init__(
        self, database: Database, store: BlobStore, notifier: Notifier, settings: Settings, admission: Admission
    ) -> None:
        self.database, self.store, self.notifier, self.settings = database, store, notifier, settings
        self.admission = admission

    def create(
        self, team: str, kind: UploadKind, name: str, size_bytes: int, sha256: str | None, *, share: bool = True
    ) -> Upload:
        """Announce an upload. Of bytes that the team has already, found by their digest, nothing need be sent.

        Args:
            team: whose it is.
            kind: what it is meant to be.
            name: what the client calls it.
            size_bytes: of the whole.
            sha256: of the whole, if the client knows it.
            share: whether to look for the same bytes.

        Raises:
            TooLarge: beyond this server's or the team's limit.
            StorageQuotaExceeded: the team stores as much as it may.
            UploadQuotaExceeded: the team has as many uploads as it may.
        """
        parts = self.store.plan_parts(size_bytes, self.settings.part_bytes)
        row = UploadRow(
            id=new_id(UPLOAD_PREFIX), team_id=team, kind=kind.value, name=display_name(name),
            state=UploadState.CREATED.value, size_bytes=size_bytes, sha256=sha256.lower() if sha256 else None,
            part_bytes=parts.part_bytes, created_at=now(), updated_at=now(),
        )  # fmt: skip
        if share and self._add_shared(row):
            return self.get(team, row.id)
        with self.database.session() as session:  # before anything is created for what will be refused
            self.admission.admit_row(session, team)
            self.admission.admit_upload(session, team, size_bytes)
        # The multipart upload first: one without a row is found and aborted, a row without it would be of no use.
        content = contents.new_content(team, self.store.create_multipart(blob_key(row.id), parts), size_bytes)
        with self.database.session() as session:
            self.admission.admit_row(session, team)
            self.admission.admit_upload(session, team, size_bytes)
            session.add(content)
            session.flush()
            row.content_id = content.id
            session.add(row)
            audit.record(session, team, "upload.create", row.id, name=row.name, size_bytes=size_bytes)
        return record(row, ())

    def _add_shared(self, row: UploadRow) -> bool:
        """Keep an upload of bytes that the team has; returns whether it has them."""
        if row.sha256 is None:
            return False
        with self.database.session() as session:
            same = contents.find_content(session, row.team_id, row.sha256, row.size_bytes)
            if same is None:
                return False
            self.admission.admit_row(session, row.team_id)
            row.content_id, row.state = same.id, UploadState.STORED.value
            # Under the same name it would be looked into in the same way.
            twin = select(UploadRow).where(UploadRow.content_id == same.id, UploadRow.team_id == row.team_id)
            twin = twin.where(UploadRow.kind == row.kind, UploadRow.name == row.name)
            checked = session.scalar(twin.where(UploadRow.state == UploadState.READY.value).limit(1))
            if checked is not None:
                row.state, row.facts = UploadState.READY.value, checked.facts
                announce_verdict(session, row)
            session.add(row)
            audit.record(session, row.team_id, "upload.create", row.id, name=row.name, size_bytes=row.size_bytes)
        if row.state == UploadState.STORED.value:
            self.notifier.notify_upload(row.id)
        return True

    def put_part(self, team: str, upload_id: str, number: int, chunks: Iterable[bytes], sha256: str | None) -> Upload:
        """Take one part; parts come in any order, at the same time, and may come again.

        Raises:
            PartOutOfRange: no such part, or of another size.
            DigestMismatch: it is not what was sent.
            UploadClosed: the upload takes no more parts.
        """
        multipart, parts = self._open(team, upload_id, [number])
        # Checked as it comes: a part that does not fit never replaces one that did.
        checked = _checked_part(chunks, number, parts.size_of(number), sha256)
        try:
            self.store.put_part(multipart, parts, number, checked)
        except BlobMissing:  # deleted or completed while the part was on its way
            self._open(team, upload_id)
            raise UploadClosed("the upload takes no more parts") from None
        try:
            self._note_arrival(team, upload_id)
        except NotFound:  # deleted just now
            self.store.abort_multipart(multipart)
            raise
        return self.get(team, upload_id)

    def presigned_parts(self, team: str, upload_id: str, numbers: Sequence[int]) -> list[PresignedPart]:
        """Where a client may send parts itself; none where it cannot reach the storage: they go through this server.

        Raises:
            PartOutOfRange: no such part.
            UploadClosed: the upload takes no more parts.
        """
        multipart, parts = self._open(team, upload_id, numbers)
        expires_at = now() + timedelta(seconds=PRESIGNED_URL_SECONDS)
        urls = {
            number: self.store.presigned_part_url(multipart, parts, number, PRESIGNED_URL_SECONDS) for number in numbers
        }
        if any(urls.values()):
            self._note_arrival(team, upload_id)
        return [PresignedPart(number, url, expires_at) for number, url in urls.items() if url is not None]

    def complete(self, team: str, upload_id: str) -> Upload:
        """Everything was sent: have a worker make it whole, verify and validate it. Asking again changes nothing.

        Raises:
            UploadIncomplete: parts are missing.
        """
        upload = self.get(team, upload_id)
        if upload.state not in OPEN:
            return upload
        missing = sorted(set(range(1, upload.parts + 1)) - set(upload.received_parts))
        if missing:
            raise UploadIncomplete(f"{len(missing)} of {upload.parts} parts are missing, the first is {missing[0]}")
        with self.database.session() as session:
            stored = update(UploadRow).where(UploadRow.id == upload_id, UploadRow.state.in_([s.value for s in OPEN]))
            values = {"state": UploadState.STORED.value, "updated_at": now()}
            # Somebody who completed it at the same time may have been first, and a worker may have it already.
            is_first = session.execute(stored.values(**values)).rowcount == 1  # type: ignore[attr-defined]
            if is_first:
                audit.record(session, team, "upload.complete", upload_id)
        if is_first:
            self.notifier.notify_upload(upload_id)
        return self.get(team, upload_id)

    def get(self, team: str, upload_id: str) -> Upload:
        """One upload, or a registered data set that the team is offered.

        Raises:
            NotFound: the team has none of that id.
        """
        with self.database.session() as session:
            offered = find_offered(session, team, upload_id) if is_registered(upload_id) else None
            row = offered or self._row(session, team, upload_id)
            multipart = records.multipart_of(row)
        return record(row, self._received(row, multipart))

    def own_name(self, team: str, upload_id: str) -> str:
        """Name of one of the team's own uploads, which a registered data set is not.

        Raises:
            NotFound: the team has none of that id.
        """
        with self.database.session() as session:
            return self._row(session, team, upload_id).name

    def announce_digest(self, team: str, upload_id: str, sha256: str) -> Upload:
        """Keep the digest of the whole, which a client may compute while it sends; the worker holds the bytes to it.

        Raises:
            DigestMismatch: another digest was announced before.
            UploadClosed: the upload is complete.
        """
        with self.database.session() as session:
            row = self._row(session, team, upload_id, lock=True)
            if UploadState(row.state) not in OPEN:
                raise _closed(UploadState(row.state))
            if row.sha256 not in (None, sha256.lower()):
                raise DigestMismatch(f"the upload was announced with the sha256 {row.sha256}, not {sha256}")
            row.sha256, row.updated_at = sha256.lower(), now()
        return self.get(team, upload_id)

    def search(
        self,
        team: str,
        kind: UploadKind | None = None,
        state: UploadState | None = None,
        cursor: str | None = None,
        limit: int = 50,
        *,
        size_bytes: int | None = None,
    ) -> Page[Upload]:
        """Uploads, newest first."""
        query = select(UploadRow).where(UploadRow.team_id == team).order_by(UploadRow.id.desc()).limit(limit + 1)
        if kind is not None:
            query = query.where(UploadRow.kind == kind.value)
        if state is not None:
            query = query.where(UploadRow.state == state.value)
        if size_bytes is not None:
            query = query.where(UploadRow.size_bytes == size_bytes)
        if cursor is not None:
            query = query.where(UploadRow.id < decode(cursor, UPLOAD_PREFIX))
        with self.database.session() as session:
            rows = [
                (row, records.multipart_of(row))
                for row in session.scalars(query.options(joinedload(UploadRow.content)))
            ]
        uploads = [record(row, self._received(row, multipart)) for row, multipart in rows]
        return page(uploads, limit, [upload.id for upload in uploads])

    def delete(self, team: str, upload_id: str) -> None:
        """Forget an upload and its content.

        Raises:
            UploadInUse: jobs refer to it.
        """
        with self.database.session() as session:
            row = self._row(session, team, upload_id, lock=True)
            name, content_id = row.name, row.content_id
            try:
                session.delete(row)
                session.flush()
            except IntegrityError:
                raise UploadInUse(f"jobs refer to {name}; delete them first") from None
            audit.record(session, team, "upload.delete", upload_id, name=name)
        if content_id is not None:
            Contents(self.database, self.store).forget_unused(content_id)

    def _open(self, team: str, upload_id: str, numbers: Iterable[int] = ()) -> tuple[MultipartUpload, Parts]:
        """The multipart upload and the plan of an upload that takes these parts."""
        with self.database.session() as session:
            row = self._row(session, team, upload_id)
            multipart, parts = records.multipart_of(row), records.parts_of(row)
        if UploadState(row.state) not in OPEN or multipart is None:
            raise _closed(UploadState(row.state))
        for number in numbers:
            if not 1 <= number <= parts.count:
                raise PartOutOfRange(f"the upload has the parts 1 to {parts.count}, not {number}")
        return multipart, parts

    def _note_arrival(self, team: str, upload_id: str) -> None:
        with self.database.session() as session:
            # Locked: parts come at the same time, and the upload may be completed or expire meanwhile.
            row = self._row(session, team, upload_id, lock=True)
            if UploadState(row.state) not in OPEN:
                raise _closed(UploadState(row.state))
            row.state, row.updated_at = UploadState.UPLOADING.value, now()

    def _received(self, row: UploadRow, multipart: MultipartUpload | None) -> Iterable[int]:
        """The parts that have arrived: while the upload is open, those that the store has."""
        parts, state = records.parts_of(row), UploadState(row.state)
        if state is UploadState.EXPIRED:
            return ()
        if state not in OPEN or multipart is None:
            return range(1, parts.count + 1)
        return self.store.list_parts(multipart, parts)

    @staticmethod
    def _row(session: Session, team: str, upload_id: str, *, lock: bool = False) -> UploadRow:
        row = session.get(UploadRow, upload_id, with_for_update=True if lock else None)
        if row is None or row.team_id != team:
            raise NotFound(f"there is no upload {upload_id[:60]}")
        return row


def display_name(name: str) -> str:
    """A client's file name as text to show: `printable`, without folders. Never used as a path."""
    return printable(PurePosixPath(name.replace("\\", "/")).name)


def _closed(state: UploadState) -> UploadClosed:
    return UploadClosed(f"the upload is {state}: it takes no more parts")


def _checked_part(chunks: Iterable[bytes], number: int, size: int, sha256: str | None) -> Iterator[bytes]:
    """The chunks of a part; raises, at the end at the latest, if they are not what belongs to it."""
    seen, digest = 0, hashlib.sha256()
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise PartOutOfRange(f"part {number} has more than the {size:,} bytes that belong to it")
        if sha256 is not None:
            digest.update(chunk)
        yield chunk
    if seen != size:
        raise PartOutOfRange(f"part {number} has {seen:,} bytes; {size:,} belong to it")
    if sha256 is not None and digest.hexdigest() != sha256.lower():
        raise DigestMismatch(f"part {number} has the sha256 {digest.hexdigest()}, not {sha256}; send it again")
