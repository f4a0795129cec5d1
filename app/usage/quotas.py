"""What a team may use, and what it uses: storage, unfinished jobs, GPU minutes of a month, the size of an upload."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.catalog.models import ContentRow, UploadRow
from app.catalog.states import UploadState
from app.db import Database, now
from app.errors import GpuQuotaExceeded, Invalid, JobQuotaExceeded, StorageQuotaExceeded, TooLarge, UploadQuotaExceeded
from app.jobs.cell_models import FileRow
from app.jobs.files import REPAIRS
from app.jobs.models import ArtifactRow, JobRow
from app.jobs.states import TERMINAL
from app.jobs.usage import Day, by_day, gpu_seconds
from app.teams import audit
from app.teams.members import lock_team
from app.teams.models import TeamRow
from app.teams.quotas import Quotas, quotas_of
from primesvt_client.spec_types import LARGEST

ASK = "who runs the service can raise the quota"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a team uses; ``since`` is when the month began."""

    storage_bytes: int
    unfinished_jobs: int
    gpu_minutes: float
    since: datetime


class QuotaService:
    """Quotas and usage, for reading and for whoever runs the service."""

    def __init__(self, database: Database, defaults: Quotas) -> None:
        self.database, self.defaults = database, defaults

    def of(self, team: str) -> Quotas:
        """What a team may use."""
        with self.database.session() as session:
            return quotas_of(session.get_one(TeamRow, team), self.defaults)

    def usage(self, team: str) -> Usage:
        """What a team uses."""
        with self.database.session() as session:
            return Usage(
                storage_bytes=stored_bytes(session, team), unfinished_jobs=unfinished_jobs(session, team),
                gpu_minutes=gpu_minutes(session, team), since=month_begin(now()),
            )  # fmt: skip

    def left_bytes(self, team: str) -> int | None:
        """What a team may still store; None for any number."""
        with self.database.session() as session:
            most = quotas_of(session.get_one(TeamRow, team), self.defaults).storage_bytes
            return None if most is None else max(0, most - stored_bytes(session, team))

    def days(self, team: str, since: date) -> list[Day]:
        """What a team has used from that day on, by day."""
        with self.database.session() as session:
            return by_day(session, team, since)

    def change(self, team: str, quotas: dict[str, int | None]) -> Quotas:
        """Give a team quotas of its own; those that are not named stay as they are.

        Raises:
            Invalid: one is larger than JSON numbers can be exactly.
        """
        if any(most is not None and most > LARGEST for most in quotas.values()):
            raise Invalid(f"a quota is at most {LARGEST:,}; write 'unlimited' for more")
        with self.database.session() as session:
            row = lock_team(session, team)
            row.quotas = {**row.quotas, **quotas}
            audit.record(session, team, "team.quotas", team, **quotas)
            return quotas_of(row, self.defaults)

    def reset(self, team: str) -> Quotas:
        """Let the server's quotas hold for a team again."""
        with self.database.session() as session:
            lock_team(session, team).quotas = {}
            audit.record(session, team, "team.quotas", team)
        return self.defaults


class QuotaAdmission:
    """Admits what fits into the team's quotas; with the team locked where something is counted.

    So the second of two requests at once counts what the first one adds.
    """

    def __init__(self, defaults: Quotas, most_uploads: int | None = None) -> None:
        """Admit by the ``defaults`` what is of teams that have no quotas of their own, and ``most_uploads`` of any."""
        self.defaults, self.most_uploads = defaults, most_uploads

    def admit_row(self, session: Session, team: str) -> None:
        if self.most_uploads is None:
            return
        lock_team(session, team)
        held = held_uploads(session, team)
        if held >= self.most_uploads:
            raise UploadQuotaExceeded(
                f"the team has {held:,} uploads, as many as it may; delete some that nobody needs, or wait until those"
                f" that were never completed expire, or {ASK}"
            )

    def admit_upload(self, session: Session, team: str, size_bytes: int) -> None:
        quotas = self._locked(session, team)
        if quotas.upload_bytes is not None and size_bytes > quotas.upload_bytes:
            raise TooLarge(f"{size_bytes:,} bytes are more than one upload may have ({quotas.upload_bytes:,}); {ASK}")
        if quotas.storage_bytes is None:
            return
        used = stored_bytes(session, team)
        if used + size_bytes > quotas.storage_bytes:
            raise StorageQuotaExceeded(
                f"the team stores {used:,} of the {quotas.storage_bytes:,} bytes that it may, and {size_bytes:,} more"
                f" do not fit; delete uploads or finished jobs that nobody needs, or {ASK}"
            )

    def admit_job(self, session: Session, team: str) -> None:
        quotas = self._locked(session, team)
        spent = gpu_minutes(session, team) if quotas.gpu_minutes is not None else 0.0
        if quotas.gpu_minutes is not None and spent >= quotas.gpu_minutes:  # what runs already goes on
            raise GpuQuotaExceeded(
                f"the team has used {spent:,.0f} of the {quotas.gpu_minutes:,} GPU minutes that it may use this month;"
                f" wait for the next one, or {ASK}"
            )
        used = unfinished_jobs(session, team) if quotas.unfinished_jobs is not None else 0
        if quotas.unfinished_jobs is not None and used >= quotas.unfinished_jobs:
            raise JobQuotaExceeded(
                f"the team has {used} unfinished jobs and may have {quotas.unfinished_jobs}; wait for one to end,"
                f" cancel one, or {ASK}"
            )

    def _locked(self, session: Session, team: str) -> Quotas:
        quotas = quotas_of(session.get_one(TeamRow, team), self.defaults)
        if any(limit is not None for name, limit in asdict(quotas).items() if name != "upload_bytes"):
            lock_team(session, team)
        return quotas


def stored_bytes(session: Session, team: str) -> int:
    """Bytes of a team's uploads, as announced, artifacts and repairs that are kept; what uploads share counts once."""
    uploads = select(func.coalesce(func.sum(ContentRow.size_bytes), 0)).where(ContentRow.team_id == team)
    artifacts = select(func.coalesce(func.sum(ArtifactRow.size_bytes), 0)).join(JobRow, JobRow.id == ArtifactRow.job_id)
    repairs = select(func.coalesce(func.sum(FileRow.size_bytes), 0)).join(JobRow, JobRow.id == FileRow.job_id)
    of_jobs = (artifacts, repairs.where(FileRow.scope == REPAIRS))
    counts = (uploads, *(query.where(JobRow.team_id == team) for query in of_jobs))
    return sum(int(session.scalar(query) or 0) for query in counts)


def held_uploads(session: Session, team: str) -> int:
    """A team's uploads, empty and unfinished ones too; those that have expired are not held."""
    query = select(func.count()).select_from(UploadRow).where(UploadRow.team_id == team)
    return session.scalar(query.where(UploadRow.state != UploadState.EXPIRED.value)) or 0


def unfinished_jobs(session: Session, team: str) -> int:
    """A team's jobs that are not over."""
    over = [state.value for state in TERMINAL]
    query = select(func.count()).select_from(JobRow).where(JobRow.team_id == team, JobRow.state.not_in(over))
    return session.scalar(query) or 0


def gpu_minutes(session: Session, team: str) -> float:
    """GPU time that a team has used this month."""
    return gpu_seconds(session, team, month_begin(now()).date()) / 60


def month_begin(at: datetime) -> datetime:
    """The first moment of a moment's month."""
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
