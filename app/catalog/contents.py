"""The bytes behind uploads: shared where a team brings the same twice, gone when no upload needs them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.catalog.models import ContentRow, UploadRow
from app.catalog.states import UploadState
from app.db import Database, now
from app.ids import new_id
from app.storage import BlobStore, MultipartUpload

CONTENT_PREFIX = "con"
UNKNOWN_SECONDS = 3600.0
"""A multipart upload without a row is this old before it is aborted: its creator was about to write the row."""


def new_content(team: str, upload: MultipartUpload, size_bytes: int) -> ContentRow:
    """The row of bytes that are about to arrive."""
    return ContentRow(
        id=new_id(CONTENT_PREFIX), team_id=team, blob_key=upload.key, multipart_token=upload.token,
        size_bytes=size_bytes, sha256=None, created_at=now(),
    )  # fmt: skip


def find_content(session: Session, team: str, sha256: str, size_bytes: int) -> ContentRow | None:
    """What a team has of a digest, oldest first. Locked, so that it is not forgotten before it is referred to.

    What no upload needs does not count: its bytes may be gone already, where deleting it was cut short.
    """
    same = select(ContentRow).where(ContentRow.team_id == team, ContentRow.sha256 == sha256, _is_needed())
    same = same.where(ContentRow.size_bytes == size_bytes).order_by(ContentRow.id).limit(1)
    return session.scalar(same.with_for_update())


class Contents:
    """Forgets what nobody needs."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self.database, self.store = database, store

    def forget_unused(self, content_id: str) -> None:
        """Delete bytes that no upload needs: expired ones do not."""
        with self.database.session() as session:
            row = session.get(ContentRow, content_id, with_for_update={"skip_locked": True})
            if row is None or session.scalar(select(ContentRow.id).where(ContentRow.id == content_id, _is_needed())):
                return
            # The bytes first: a row that is left over is found again, bytes without a row would not be.
            if row.multipart_token is not None:
                self.store.abort_multipart(MultipartUpload(row.blob_key, row.multipart_token))
            self.store.delete(row.blob_key)
            session.execute(update(UploadRow).where(UploadRow.content_id == content_id).values(content_id=None))
            session.delete(row)

    def sweep(self) -> None:
        """Forget what deletions that were cut short and expired uploads have left."""
        with self.database.session() as session:
            unused = [*session.scalars(select(ContentRow.id).where(~_is_needed()))]
        for content_id in unused:
            self.forget_unused(content_id)

    def sweep_multipart(self) -> None:
        """Abort multipart uploads whose creator died before it could write their row."""
        left = [*self.store.list_multipart(now() - timedelta(seconds=UNKNOWN_SECONDS))]
        for multipart in left:
            with self.database.session() as session:
                is_known = session.scalar(select(ContentRow.id).where(ContentRow.multipart_token == multipart.token))
            if is_known is None:
                self.store.abort_multipart(multipart)


def _is_needed() -> ColumnElement[bool]:
    """Whether an upload that has not expired refers to a content."""
    users = select(UploadRow.id).where(UploadRow.content_id == ContentRow.id)
    return users.where(UploadRow.state != UploadState.EXPIRED.value).correlate(ContentRow).exists()
