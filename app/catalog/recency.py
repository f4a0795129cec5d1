"""When uploads were last used, which decides how long they are kept."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.db import now


def touch_uploads(session: Session, team: str, upload_ids: Sequence[str]) -> None:
    """Write down that uploads are being used; they do not become too old before the caller's transaction is over."""
    rows = select(UploadRow).where(UploadRow.team_id == team, UploadRow.id.in_(upload_ids))
    rows = rows.order_by(UploadRow.id)  # locked in the same order by all: no two wait for each other
    for row in session.scalars(rows.with_for_update(key_share=True)):
        row.used_at = now()
