"""Whether a team may have more: asked by those who add something, answered by whoever counts what there is."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session


class Admission(Protocol):
    """Admits uploads and jobs, inside the transaction that adds them: what is counted then is what is committed."""

    def admit_upload(self, session: Session, team: str, size_bytes: int) -> None:
        """Make sure that a team may store an upload of this size.

        Raises:
            TooLarge: for one upload.
            StorageQuotaExceeded: with what the team has stored.
        """

    def admit_row(self, session: Session, team: str) -> None:
        """Make sure that a team may hold one more upload, whatever its size and wherever its bytes are.

        Raises:
            UploadQuotaExceeded: it has as many as it may.
        """

    def admit_job(self, session: Session, team: str) -> None:
        """Make sure that a team may have one more job.

        Raises:
            JobQuotaExceeded: it has as many as it may.
            GpuQuotaExceeded: it has used as much GPU time this month as it may.
        """
