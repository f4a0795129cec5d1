"""The service's own team, to which registered data sets belong: it has no members, no keys, no quotas and no name that
a command takes.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.db import now
from app.teams.models import TeamRow

OWN_TEAM = "team_of_the_service"
NO_QUOTAS = ("storage_bytes", "unfinished_jobs", "gpu_minutes")


def add_own_team(session: Session) -> None:
    """Make it, unless it is there."""
    if session.get(TeamRow, OWN_TEAM) is None:
        session.add(TeamRow(id=OWN_TEAM, name="the service", created_at=now(), quotas=dict.fromkeys(NO_QUOTAS)))
        session.flush()
