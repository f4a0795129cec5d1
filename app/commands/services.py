"""What commands work on, imported when one runs: ``--help`` answers at once, without SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.db import Database
    from app.jobs.datasets import DatasetService
    from app.settings import Settings
    from app.teams.invitations import InvitationService
    from app.teams.keys import KeyService
    from app.teams.members import MemberService
    from app.teams.service import TeamService
    from app.usage.quotas import QuotaService
    from app.workers.service import WorkerService


def team_service(database: Database) -> TeamService:
    """Teams."""
    from app.teams.service import TeamService

    return TeamService(database)


def dataset_service(database: Database, settings: Settings) -> DatasetService:
    """Registered data sets."""
    from app.jobs.datasets import DatasetService

    return DatasetService(database, settings)


def worker_service(database: Database, settings: Settings) -> WorkerService:
    """The workers of the service."""
    from app.workers.service import WorkerService

    return WorkerService(database, settings)


def key_service(database: Database) -> KeyService:
    """API keys."""
    from app.teams.keys import KeyService

    return KeyService(database)


def member_service(database: Database) -> MemberService:
    """Members of teams."""
    from app.teams.members import MemberService

    return MemberService(database)


def invitation_service(database: Database) -> InvitationService:
    """Links that invite people, or let them choose a password."""
    from app.teams.invitations import InvitationService

    return InvitationService(database)


def quota_service(database: Database, settings: Settings) -> QuotaService:
    """What teams may use; the server's quotas are those of its settings."""
    from app.teams.quotas import server_quotas
    from app.usage.quotas import QuotaService

    return QuotaService(database, server_quotas(settings))
