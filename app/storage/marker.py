"""Whether this process has the storage that the others have: a mark lies in it whose name is in the database.

API and workers that were given different folders or buckets would find nothing of each other's, and every file would
look damaged.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Integer, String, select
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Database, insert
from app.storage._base import BlobStore

PREFIX = "marks"
ONLY = 1
CONTENT = b"The processes of one PrimeSVT service know by this that they share their storage.\n"

NOT_SHARED = (
    "this is not the storage that the service's database belongs to; give API, workers and reconciler the same"
    " PRIMESVT_STORAGE_URL, or the same volume"
)


class StorageMarkRow(Base):
    """The key of the mark; there is one row at the most."""

    __tablename__ = "storage_marks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    blob_key: Mapped[str] = mapped_column(String(100))


class StorageMarker:
    """Marks a store and recognises it."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self.database, self.store = database, store
        self._key: str | None = None

    def place(self) -> None:
        """Mark the store, unless one was marked already. The blob comes first: a row names one that is there.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if self._known() is not None:
            return
        key = f"{PREFIX}/{secrets.token_hex(16)}"
        self.store.put(key, [CONTENT])
        with self.database.session() as session:
            row = insert(session, StorageMarkRow).values(id=ONLY, blob_key=key)
            session.execute(row.on_conflict_do_nothing(index_elements=["id"]))
        if self._known() != key:  # another process was faster
            self.store.delete(key)

    def is_here(self) -> bool:
        """Whether the store has the mark; True while there is none.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        key = self._known()
        return key is None or self.store.size(key) is not None

    def _known(self) -> str | None:
        if self._key is None:
            with self.database.reading() as session:
                self._key = session.scalar(select(StorageMarkRow.blob_key).where(StorageMarkRow.id == ONLY))
        return self._key
