"""Which registered data sets a team may use: their uploads are the service's own, and nobody else's."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from app.catalog.models import DatasetRow, DatasetTeamRow, UploadRow
from app.catalog.states import UploadState

DATASET_PREFIX = "dat"


def is_registered(upload_id: str | None) -> bool:
    """Whether an id is one of a registered data set; there may be none of that id."""
    return upload_id is not None and upload_id.startswith(f"{DATASET_PREFIX}_")


def offered_to(team: str) -> ColumnElement[bool]:
    """Whether a data set is there and offered to a team."""
    granted = select(DatasetTeamRow.team_id).where(DatasetTeamRow.dataset_id == DatasetRow.id)
    named = granted.where(DatasetTeamRow.team_id == team).correlate(DatasetRow).exists()
    return DatasetRow.removed_at.is_(None) & or_(DatasetRow.all_teams, named)


def find_offered(session: Session, team: str, dataset_id: str) -> UploadRow | None:
    """The upload of a data set that a team may use; None for anything else, whatever it is."""
    found = select(UploadRow).join(DatasetRow, DatasetRow.id == UploadRow.id)
    found = found.where(UploadRow.id == dataset_id, UploadRow.state == UploadState.READY.value, offered_to(team))
    return session.scalar(found)


def lock_offers(session: Session, upload_ids: Sequence[str]) -> None:
    """Let nobody withdraw those of the inputs that are registered before the caller's transaction is over."""
    ids = sorted(filter(is_registered, upload_ids))
    if ids:
        rows = select(DatasetRow.id).where(DatasetRow.id.in_(ids)).order_by(DatasetRow.id)
        session.execute(rows.with_for_update(read=True))
