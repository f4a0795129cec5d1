"""Wrong passwords, written into the audit log."""

from __future__ import annotations

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.teams import audit
from app.teams.models import MemberRow, UserRow

log = logging.getLogger(__name__)


def note_refusal(session: Session, user: UserRow | None, **details: str) -> None:
    """Write a wrong password into the audit log: the admins of the person's team should know.

    An address that nobody has is written down, too, in no team's log and without the address, which may be a password
    in the wrong field: otherwise the answer would come sooner, which tells who has an account.
    """
    log.warning("sign_in_refused", extra={"user_id": user.id if user else None})
    user_id = user.id if user else ""
    oldest = select(MemberRow.team_id).where(MemberRow.user_id == user_id)
    team = session.scalar(oldest.order_by(MemberRow.created_at, MemberRow.team_id))
    known = {"email": user.email} if user else {}
    audit.record(session, team, "session.refuse", user_id or "nobody", **known, **details)
