"""Whose upload is looked into next: of the team with the fewest under way, of equals the one served longest ago."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.catalog.states import UploadState
from app.turns import distinct, is_state, served_seq_of

IS_STORED = is_state(UploadRow.state, UploadState.STORED.value)


@dataclass(frozen=True)
class Turn:
    """A team with an upload that waits, and how it stood when that was found out."""

    team: str
    validating: int
    served_seq: int


def turns(session: Session, skip: Collection[str] = ()) -> list[Turn]:
    """The teams with uploads to look into, the next one first, without those to skip."""
    teams = distinct(UploadRow.team_id, IS_STORED, "teams")
    found = session.execute(select(teams.c.value, served_seq_of(UploadRow, teams.c.value, teams))).all()
    held = select(UploadRow.team_id, func.count()).where(UploadRow.state == UploadState.VALIDATING.value)
    validating: dict[str, int] = dict(session.execute(held.group_by(UploadRow.team_id)).all())
    waiting = [Turn(team, validating.get(team, 0), seq or 0) for team, seq in found if team and team not in skip]
    return sorted(waiting, key=lambda turn: (turn.validating, turn.served_seq, turn.team))
