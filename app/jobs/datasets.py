"""Data sets that the operator registers: offered to teams as inputs of jobs, read where they lie, uploaded by nobody.

Each is an upload of a team of the service's own that nobody is in. A worker validates it as it does any upload.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.catalog.models import DatasetRow, DatasetTeamRow, UploadRow
from app.catalog.offers import DATASET_PREFIX, find_offered, offered_to
from app.catalog.states import UploadKind, UploadState
from app.db import Database, now
from app.errors import Conflict, DatasetRemoved, Invalid, NotFound
from app.ids import new_id
from app.jobs.events import move
from app.jobs.models import JobRow
from app.jobs.states import JobState
from app.names import printable
from app.settings import Settings
from app.storage.outside import checked_location
from app.teams import audit
from app.teams.own_team import OWN_TEAM, add_own_team
from primesvt_client.facts import DataSetFacts, ProblemFacts, read


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A registered data set, as teams see it.

    Attributes:
        file_name: of the file, as reports name it.
        facts: what validation found.
    """

    id: str
    name: str
    file_name: str
    size_bytes: int
    sha256: str | None
    facts: DataSetFacts | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class RegisteredDataset(Dataset):
    """The same as its operator sees it.

    Attributes:
        state: of its validation.
        problem: why it was refused.
        teams: ids of those that it is offered to; None for all.
    """

    location: str
    state: UploadState
    problem: ProblemFacts | None
    teams: tuple[str, ...] | None


class DatasetService:
    """Registered data sets: what a team is offered, and what the operator does with them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def offered(self, team: str) -> list[Dataset]:
        """What a team may use, by name."""
        rows = select(DatasetRow, UploadRow).join(UploadRow, UploadRow.id == DatasetRow.id)
        rows = rows.where(offered_to(team), UploadRow.state == UploadState.READY.value)
        with self.database.reading() as session:
            found = session.execute(rows.order_by(DatasetRow.name, DatasetRow.id)).all()
            return [Dataset(**_fields(row, upload)) for row, upload in found]

    def get(self, team: str, dataset_id: str) -> Dataset:
        """One that a team may use.

        Raises:
            NotFound: it is offered none of that id.
        """
        with self.database.reading() as session:
            upload = find_offered(session, team, dataset_id)
            if upload is None:
                raise NotFound(f"there is no data set {dataset_id[:60]}")
            return Dataset(**_fields(session.get_one(DatasetRow, upload.id), upload))

    def all(self) -> list[RegisteredDataset]:
        """All that are registered, by name; for whoever runs the service."""
        rows = select(DatasetRow, UploadRow).join(UploadRow, UploadRow.id == DatasetRow.id)
        with self.database.reading() as session:
            found = session.execute(rows.where(DatasetRow.removed_at.is_(None)).order_by(DatasetRow.name)).all()
            return [_registered(session, row, upload) for row, upload in found]

    def named(self, name: str) -> RegisteredDataset:
        """The one of a name.

        Raises:
            NotFound: there is none.
        """
        with self.database.reading() as session:
            row = _row(session, name)
            return _registered(session, row, session.get_one(UploadRow, row.id))

    def add(self, name: str, location: str, teams: Collection[str] | None) -> RegisteredDataset:
        """Register a data set, which a worker then validates; one of the same name that was refused is replaced.

        Args:
            name: what teams see.
            location: a path, or ``s3://bucket/key``.
            teams: ids of those that it is offered to; None for all.

        Raises:
            Conflict: there is one of that name.
            Invalid: the name or the location cannot be registered.
        """
        if name != printable(name):
            raise Invalid(f"{name[:80]!r} is no name: give up to 200 characters that can be seen")
        found = checked_location(location, self.settings)
        try:
            return self._add(name, found, teams)
        except IntegrityError:  # two at the same time
            raise Conflict(f"there is a data set {name} already; choose another name, or remove it first") from None

    def _add(self, name: str, found: str, teams: Collection[str] | None) -> RegisteredDataset:
        with self.database.session() as session:
            add_own_team(session)
            old = session.scalar(_live(name))
            if old is not None:
                _replace(session, old)
            upload = UploadRow(
                id=new_id(DATASET_PREFIX), team_id=OWN_TEAM, kind=UploadKind.DATASET.value,
                name=printable(PurePosixPath(found).name), state=UploadState.STORED.value, size_bytes=0, sha256=None,
                part_bytes=self.settings.part_bytes, created_at=now(), updated_at=now(),
            )  # fmt: skip
            session.add(upload)
            session.flush()
            row = DatasetRow(
                id=upload.id, name=name, location=found, version=None, all_teams=teams is None, created_at=now()
            )
            session.add(row)
            session.flush()
            audit.record(session, None, "dataset.add", row.id, name=name, location=found, all_teams=teams is None)
            _grant(session, row, set(teams or ()))
            return _registered(session, row, upload)

    def offer(self, name: str, teams: Collection[str] | None) -> RegisteredDataset:
        """Offer a data set to these teams and no others; None for all. Waiting jobs of the others fail.

        Raises:
            NotFound: there is none of that name.
        """
        with self.database.session() as session:
            row = _row(session, name, lock=True)
            row.all_teams = teams is None
            _grant(session, row, set(teams or ()))
            if teams is not None:
                _fail_waiting(session, row, f"the data set {row.name} is not offered to the team any more", teams)
            return _registered(session, row, session.get_one(UploadRow, row.id))

    def remove(self, name: str) -> int:
        """Offer a data set to nobody any more; the file stays where it is. Returns the waiting jobs that have failed.

        Jobs that run go on; those that have ended keep what they measured.

        Raises:
            NotFound: there is none of that name.
        """
        with self.database.session() as session:
            row = _row(session, name, lock=True)
            upload = session.get_one(UploadRow, row.id, with_for_update=True)
            gone = f"the operator has removed the data set {row.name}"
            row.removed_at = now()
            upload.state, upload.updated_at = UploadState.EXPIRED.value, now()
            upload.owner = upload.lease_expires_at = None
            upload.problem = _problem(gone).document()  # of jobs that are submitted at this very moment
            audit.record(session, None, "dataset.remove", row.id, name=row.name)
            for team in _granted(session, row.id):
                audit.record(session, team, "dataset.withdraw", row.id, name=row.name)
            return _fail_waiting(session, row, gone, ())


def _fields(row: DatasetRow, upload: UploadRow) -> dict[str, Any]:
    return {
        "id": row.id, "name": row.name, "file_name": upload.name, "size_bytes": upload.size_bytes,
        "sha256": upload.sha256, "facts": read(DataSetFacts, upload.facts), "created_at": row.created_at,
    }  # fmt: skip


def _registered(session: Session, row: DatasetRow, upload: UploadRow) -> RegisteredDataset:
    return RegisteredDataset(
        **_fields(row, upload),
        location=row.location, state=UploadState(upload.state), problem=read(ProblemFacts, upload.problem),
        teams=None if row.all_teams else tuple(sorted(_granted(session, row.id))),
    )  # fmt: skip


def _live(name: str) -> Select[DatasetRow]:
    return select(DatasetRow).where(DatasetRow.name == name, DatasetRow.removed_at.is_(None))


def _replace(session: Session, old: DatasetRow) -> None:
    if session.get_one(UploadRow, old.id).state != UploadState.REJECTED.value:
        raise Conflict(
            f"there is a data set {old.name} already, {old.location}; choose another name, or remove it first:"
            f" jobs that have ended keep what they measured"
        )
    old.removed_at = now()
    session.flush()


def _row(session: Session, name: str, *, lock: bool = False) -> DatasetRow:
    row = session.scalar(_live(name).with_for_update() if lock else _live(name))
    if row is None:
        raise NotFound(f"there is no data set {name[:80]}; 'primesvt datasets list' shows them")
    return row


def _granted(session: Session, dataset_id: str) -> set[str]:
    return {*session.scalars(select(DatasetTeamRow.team_id).where(DatasetTeamRow.dataset_id == dataset_id))}


def _grant(session: Session, row: DatasetRow, teams: set[str]) -> None:
    """Name these teams and no others; each finds in its audit log what is new to it."""
    before = _granted(session, row.id)
    for team in sorted(teams - before):
        session.add(DatasetTeamRow(dataset_id=row.id, team_id=team))
        audit.record(session, team, "dataset.offer", row.id, name=row.name)
    for team in sorted(before - teams):
        session.delete(session.get_one(DatasetTeamRow, (row.id, team)))
        audit.record(session, team, "dataset.withdraw", row.id, name=row.name)
    session.flush()


def _problem(why: str) -> ProblemFacts:
    return ProblemFacts(code=DatasetRemoved.code, detail=f"{why}; submit the job with another")


def _fail_waiting(session: Session, row: DatasetRow, why: str, but: Collection[str]) -> int:
    """Fail the jobs that wait for a worker, of all teams but these."""
    uses = or_(JobRow.dataset_id == row.id, JobRow.train_dataset_id == row.id)
    waiting = select(JobRow).where(uses, JobRow.state == JobState.QUEUED.value, JobRow.team_id.not_in([*but]))
    jobs: Sequence[JobRow] = session.scalars(waiting.with_for_update(skip_locked=True)).all()
    for job in jobs:
        job.problem = _problem(why).document()
        move(session, job, JobState.FAILED, problem=job.problem)
    return len(jobs)
