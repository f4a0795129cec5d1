"""The cells of jobs: what attempts hand on to each other, and what one job's workers hand out among themselves.

A cell is computed by whoever holds its row, and its value is written once. The job's own worker writes under the job's
claim; a helper writes what it still holds, while the job runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.catalog.records import content_of
from app.db import Database, insert, now
from app.errors import LostClaim
from app.jobs import usage
from app.jobs.cell_models import CellRow
from app.jobs.claims import lock_claimed
from app.jobs.models import JobRow
from app.jobs.records import CellClaim, Device, JobClaim, scope_of
from app.jobs.states import JobState
from app.leases import LeaseWatch
from app.settings import Settings
from primesvt_core.workspace.sharing import COMMON

Cells = Mapping[str, Any]
Wanted = Mapping[str, Mapping[str, float]]
SMALLEST_SHARE = 4
"""Nobody takes more at once than this part of what is left, so that all end at about the same time."""


def keep(session: Session, claim: JobClaim, cells: Cells) -> None:
    """Write down what the job's worker has computed; the caller has made sure that the claim holds."""
    if not cells:
        return
    rows = [
        {"job_id": claim.job_id, "scope": claim.scope, "key": key, "value": value, "epoch": 0}
        for key, value in cells.items()
    ]
    cell = insert(session, CellRow)
    written = {"value": cell.excluded.value, "owner": None}
    session.execute(
        cell.on_conflict_do_update(index_elements=KEY, set_=written, where=CellRow.value.is_(None)), rows
    )  # fmt: skip


KEY = ["job_id", "scope", "key"]


class CellStore:
    """What workers and the reconciler do to cells."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def known(self, claim: JobClaim) -> dict[str, Any]:
        """What earlier attempts and helpers have computed, by key."""
        with self.database.session() as session:
            return self._values(session, claim)

    def publish(self, claim: JobClaim, cells: Wanted, computed: Cells) -> None:
        """Let others compute these cells, too.

        Args:
            claim: the job's.
            cells: that are wanted, in this order.
            computed: values by key that are new, and there before anybody helps.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            lock_claimed(session, claim)
            keep(session, claim, computed)
            rows = [
                {"job_id": claim.job_id, "scope": claim.scope, "key": key, "number": number, "rates": dict(rates)}
                for number, (key, rates) in enumerate(cells.items())
            ]
            cell = insert(session, CellRow)
            # An earlier attempt may have published it: it is what it was, with whoever computes it.
            session.execute(cell.on_conflict_do_nothing(index_elements=KEY), [{**row, "epoch": 0} for row in rows])

    def share(
        self, claim: JobClaim, computed: Cells, limit: int, wanted: Collection[str]
    ) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
        """Cells that the job's worker is to compute next, and those of ``wanted`` that are there.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            lock_claimed(session, claim)
            keep(session, claim, computed)
            rows = self._take(session, claim, limit, _open(claim).order_by(CellRow.number), now())
            return rows, {key: value for key, value in self._values(session, claim).items() if key in wanted}

    def help(self, owner: str, devices: Collection[Device], but_not: Collection[str] = ()) -> CellClaim | None:
        """A running job with cells that nobody computes, for an idle worker; None: there is none, ``but_not`` aside."""
        with self.database.session() as session:
            found = session.execute(self._wanting(owner, devices).where(JobRow.id.not_in(but_not)).limit(1)).first()
            if found is None:
                return None
            row = session.get_one(JobRow, found.job_id)
            device = next(device for device in devices if scope_of(device) == found.scope)
            training = session.get_one(UploadRow, row.train_dataset_id) if row.train_dataset_id else None
            return CellClaim(
                job_id=row.id, owner=owner, device=device, spec=row.spec,
                checkpoint=content_of(session.get_one(UploadRow, row.checkpoint_id)),
                dataset=content_of(session.get_one(UploadRow, row.dataset_id)),
                train_dataset=content_of(training) if training else None,
            )  # fmt: skip

    def wanting(self, owner: str, devices: Collection[Device], but_not: Collection[str] = ()) -> list[str]:
        """A job that `help` would find for this worker."""
        with self.database.session() as session:
            return [
                found.job_id
                for found in session.execute(self._wanting(owner, devices).where(JobRow.id.not_in(but_not)).limit(1))
            ]

    def assist(
        self, claim: CellClaim, computed: Cells, seconds: float = 0.0, limit: int = 0, *, is_through: bool = False
    ) -> dict[str, dict[str, float]]:
        """A helper's heartbeat: keep what it has computed, renew what it holds, and give it more.

        Args:
            claim: the helper's.
            computed: values by key; what it does not hold any more is not written.
            seconds: computed since the last heartbeat.
            limit: most cells to give.
            is_through: whether it is done with all that it holds; what is not there then is for others.

        Raises:
            LostClaim: the job does not run any more, or is being stopped.
        """
        with self.database.session() as session:
            row = session.get(JobRow, claim.job_id, with_for_update=True)
            if row is None or row.state != JobState.RUNNING.value:
                raise LostClaim(f"job {claim.job_id} needs no help any more")
            moment = now()  # one for all: what a helper holds is renewed, and taken back, together
            for step in session.scalars(_mine(claim).with_for_update()):
                step.renewed_at = moment
                if step.key in computed or is_through:
                    step.value, step.owner = computed.get(step.key), None
            usage.add(session, row, seconds, claim.device)
            session.flush()
            others = _open(claim).where(CellRow.epoch < self.settings.max_attempts).order_by(CellRow.number.desc())
            return self._take(session, claim, limit, others, moment) if limit else {}

    def common(self, claim: CellClaim) -> dict[str, Any]:
        """What a helper must have as the job's worker has it, by key."""
        with self.database.session() as session:
            keys = or_(*(CellRow.key.startswith(key, autoescape=True) for key in COMMON))
            return self._values(session, claim, keys)

    def release(self, claim: CellClaim) -> None:
        """A helper stops: what it holds is for others."""
        with self.database.session() as session:
            _lock(session, claim.job_id)
            session.execute(_released(CellRow.job_id == claim.job_id, CellRow.owner == claim.owner))

    def reconcile(self, watch: LeaseWatch) -> list[str]:
        """Take cells from helpers that fell silent; returns jobs that could do with help.

        Args:
            watch: of the helpers' leases, kept from one call to the next.
        """
        with self.database.session() as session:
            renewals = {(job, owner): renewed for job, owner, renewed in session.execute(_helpers())}
        names = {f"{job}/{owner}": (job, owner) for job, owner in renewals}
        for name in sorted(watch.silent({name: renewals[pair] for name, pair in names.items()})):
            job, owner = names[name]
            with self.database.session() as session:
                _lock(session, job)
                session.execute(
                    _released(CellRow.job_id == job, CellRow.owner == owner, CellRow.renewed_at == renewals[job, owner])
                )
        with self.database.session() as session:
            wanting = _unclaimed(select(CellRow.job_id).distinct()).where(CellRow.epoch < self.settings.max_attempts)
            return [*session.scalars(wanting.limit(10))]

    def _wanting(self, owner: str, devices: Iterable[Device]) -> Any:
        scopes = [scope_of(device) for device in devices]
        found = _unclaimed(select(CellRow.job_id, CellRow.scope))
        mine = or_(JobRow.owner.is_(None), JobRow.owner != owner)
        found = found.where(mine, CellRow.scope.in_(scopes), CellRow.epoch < self.settings.max_attempts)
        return found.order_by(JobRow.priority.desc(), JobRow.id)

    def _take(
        self, session: Session, claim: JobClaim | CellClaim, limit: int, rows: Select[Any], moment: datetime
    ) -> dict[str, dict[str, float]]:
        left = session.scalar(select(func.count()).select_from(_open(claim).subquery())) or 0
        most = max(1, min(limit, -(-left // SMALLEST_SHARE)))
        taken: dict[str, dict[str, float]] = {}
        for step in session.scalars(rows.limit(most).with_for_update(skip_locked=True)):
            step.owner, step.epoch, step.renewed_at = claim.owner, step.epoch + 1, moment
            taken[step.key] = step.rates or {}
        return taken

    @staticmethod
    def _values(session: Session, claim: JobClaim | CellClaim, *which: ColumnElement[bool]) -> dict[str, Any]:
        there = select(CellRow.key, CellRow.value).where(CellRow.job_id == claim.job_id, CellRow.scope == claim.scope)
        return dict(session.execute(there.where(CellRow.value.is_not(None), *which)).all())


def _lock(session: Session, job_id: str) -> None:
    """Cells are written under the lock of their job, by everybody: two who write many would wait for each other."""
    session.get(JobRow, job_id, with_for_update=True)


def _open(claim: JobClaim | CellClaim) -> Select[CellRow]:
    """Cells of the job that nobody has computed or computes."""
    mine = select(CellRow).where(CellRow.job_id == claim.job_id, CellRow.scope == claim.scope)
    return mine.where(CellRow.value.is_(None), CellRow.owner.is_(None))


def _mine(claim: CellClaim) -> Select[CellRow]:
    return select(CellRow).where(
        CellRow.job_id == claim.job_id, CellRow.owner == claim.owner, CellRow.value.is_(None)
    )  # fmt: skip


def _unclaimed(query: Any) -> Any:
    """Of jobs that run, the cells that nobody has computed or computes."""
    joined = query.join(JobRow, JobRow.id == CellRow.job_id).where(JobRow.state == JobState.RUNNING.value)
    return joined.where(CellRow.value.is_(None), CellRow.owner.is_(None))


def _helpers() -> Any:
    """Who computes cells without holding the job, and when each renewed last."""
    renewed = select(CellRow.job_id, CellRow.owner, func.max(CellRow.renewed_at)).where(CellRow.owner.is_not(None))
    holder = exists().where(JobRow.id == CellRow.job_id, JobRow.owner == CellRow.owner)
    return renewed.where(CellRow.value.is_(None), ~holder).group_by(CellRow.job_id, CellRow.owner)


def _released(*which: Any) -> Any:
    free = update(CellRow).where(CellRow.value.is_(None), *which).values(owner=None)
    return free.execution_options(synchronize_session=False)
