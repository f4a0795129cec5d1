"""The services of teams over one database, and a fresh team."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.db import Database
from app.teams.audit import AuditLog
from app.teams.invitations import InvitationService
from app.teams.keys import KeyService
from app.teams.members import MemberService
from app.teams.people import PeopleService
from app.teams.quotas import Quotas
from app.teams.scopes import Role
from app.teams.service import TeamService
from app.teams.sessions import SessionService
from app.usage.quotas import QuotaService
from tests.support.shop import HEAD_START_SECONDS

PASSWORD, OTHER = "five green boxes fly", "six black cats wait"


class Access:
    """The services of teams over one database, and a fresh team."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keys, self.members = KeyService(database), MemberService(database)
        self.people, self.sessions = PeopleService(database), SessionService(database)
        self.invitations, self.teams = InvitationService(database), TeamService(database)
        self.quotas, self.log = QuotaService(database, Quotas(upload_bytes=1000)), AuditLog(database)
        self.first = self.teams.create_team("ours")
        self.team = self.first.team_id

    def joined(self, role: Role = Role.MEMBER, name: str = "ann", team: str = "") -> tuple[str, str]:
        """Address and id of somebody new in the team."""
        email = f"{name}.{self.team}@example.org"
        return email, self.join(email, role, team)

    def join(self, email: str, role: Role = Role.MEMBER, team: str = "", password: str = PASSWORD) -> str:
        self.invitations.use(self.invitations.invite(team or self.team, email, role).token, password)
        return next(one.user_id for one in self.members.all(team or self.team) if one.email == email)

    def change(self, table: Any, condition: Any, **values: Any) -> None:
        with self.database.session() as session:
            session.execute(update(table).where(condition).values(**values))

    def actions(self, team: str = "") -> list[str]:
        return [entry.action for entry in reversed(self.log.search(team or self.team).items)]


def in_the_middle(database: Database, first: Callable[[Session], object], second: Callable[[], bool]) -> bool:
    """What comes of ``second``, begun while the transaction of ``first`` has not been committed."""
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            first(session)
            session.flush()
            asked = pool.submit(second)
            wait([asked], timeout=HEAD_START_SECONDS)
        return asked.result()
