"""Teams: what every other thing belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import NotFound
from app.ids import new_id
from app.names import printable
from app.teams import audit
from app.teams.keys import add_key
from app.teams.members import lock_team
from app.teams.models import TeamRow
from app.teams.own_team import OWN_TEAM
from app.teams.records import NewKey, Team, team_record


class TeamService:
    """Teams."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def bootstrap(self) -> NewKey | None:
        """Make the first team and its key, once; None if there is a team already."""
        with self.database.session() as session:
            if session.scalar(_teams().limit(1)):
                return None
        return self.create_team("default")

    def create_team(self, name: str) -> NewKey:
        """A new team with one key, which may do everything."""
        with self.database.session() as session:  # both or neither: a team without a key could never sign in
            return add_key(session, _add_team(session, name), "first key")

    def team_named(self, name: str) -> str:
        """Id of the team of that name, which is made if there is none."""
        with self.database.session() as session:
            found = session.scalar(_teams().where(TeamRow.name == name))
            return found or _add_team(session, name)

    def get(self, team: str) -> Team:
        """One team."""
        with self.database.session() as session:
            return team_record(session.get_one(TeamRow, team))

    def change(self, team: str, changes: Mapping[str, str | int | None]) -> Team:
        """Change ``name`` or ``retention_days``; what is not named stays as it is."""
        with self.database.session() as session:
            row = lock_team(session, team)
            for field, value in changes.items():
                setattr(row, field, printable(value) if isinstance(value, str) else value)
            audit.record(session, team, "team.change", team, **changes)
            return team_record(row)

    def id_of(self, name: str) -> str:
        """Id of the team of that name.

        Raises:
            NotFound: there is none.
        """
        with self.database.session() as session:
            found = session.scalar(_teams().where(TeamRow.name == name))
        if found is None:
            raise NotFound(f"there is no team {name}; 'primesvt teams list' shows them")
        return found

    def all(self) -> list[Team]:
        """All teams, oldest first; for whoever runs the service."""
        with self.database.session() as session:
            rows = select(TeamRow).where(TeamRow.id != OWN_TEAM).order_by(TeamRow.id)
            return [team_record(row) for row in session.scalars(rows)]


def _teams() -> Select[str]:
    return select(TeamRow.id).where(TeamRow.id != OWN_TEAM)


def _add_team(session: Session, name: str) -> str:
    row = TeamRow(id=new_id("team"), name=printable(name), created_at=now())
    session.add(row)
    session.flush()
    audit.record(session, row.id, "team.create", row.id, name=name)
    return row.id
