"""Uploads for workers: claim one that is stored, and give the verdict on its content."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.catalog.contents import find_content
from app.catalog.models import ContentRow, DatasetRow, UploadRow
from app.catalog.order import IS_STORED, Turn, turns
from app.catalog.records import UploadClaim, content_of, multipart_of, parts_of
from app.catalog.states import OPEN, UploadKind, UploadState
from app.db import Database, now
from app.errors import LostClaim
from app.leases import LeaseWatch
from app.metrics import LEASE_EXPIRIES
from app.settings import Settings
from app.turns import Kind, LostRace, first_served, lock_turn, next_served_seq, served_seq_of
from app.webhooks.outbox import announce
from primesvt_client.facts import ProblemFacts, UploadFacts

STORED_AT_ONCE = 100
"""Uploads that a reconciler notifies of: a worker that was notified looks for the next upload by itself."""


class UploadQueue:
    """What workers and the reconciler do to uploads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def claim_next(self, owner: str, skip: Collection[str] = ()) -> UploadClaim | None:
        """Take the next stored upload, in turns between teams, of teams other than ``skip``; None: there is none."""
        return first_served(lambda: self._turns(skip), lambda turn: self._serve(turn, owner))

    def claim(self, upload_id: str, owner: str) -> UploadClaim | None:
        """Take a stored upload; of many claims at once one wins. None: nothing to do."""
        with self.database.session() as session:
            return self._take(session, upload_id, owner)

    def waits(self, skip: Collection[str] = ()) -> bool:
        """Whether an upload waits of teams other than ``skip``."""
        return bool(self._turns(skip))

    def _turns(self, skip: Collection[str]) -> list[Turn]:
        with self.database.reading() as session:
            return turns(session, skip)

    def _serve(self, turn: Turn, owner: str) -> UploadClaim | None:
        """Claim for a team whose turn it is.

        Raises:
            LostRace: it was served meanwhile, or is being served.
        """
        with self.database.session() as session:
            lock_turn(session, Kind.UPLOADS, turn.team)
            if (session.scalar(select(served_seq_of(UploadRow, turn.team))) or 0) != turn.served_seq:
                raise LostRace
            first = select(UploadRow.id).where(UploadRow.team_id == turn.team, IS_STORED).order_by(UploadRow.id)
            upload_id = session.scalar(first.limit(1).with_for_update(skip_locked=True))
            return None if upload_id is None else self._take(session, upload_id, owner)

    def _take(self, session: Session, upload_id: str, owner: str) -> UploadClaim | None:
        taken = session.execute(
            update(UploadRow)
            .where(UploadRow.id == upload_id, UploadRow.state == UploadState.STORED.value)
            .values(
                state=UploadState.VALIDATING.value,
                owner=owner,
                epoch=UploadRow.epoch + 1,
                attempts=UploadRow.attempts + 1,
                served_seq=next_served_seq(UploadRow),
                lease_expires_at=self._lease_end(),
                updated_at=now(),
            )
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            return None
        row = session.get_one(UploadRow, upload_id)
        return UploadClaim(
            upload_id=row.id, team=row.team_id, owner=owner, epoch=row.epoch, kind=UploadKind(row.kind),
            content=content_of(row), sha256=row.sha256, multipart=multipart_of(row), parts=parts_of(row),
        )  # fmt: skip

    def heartbeat(self, claim: UploadClaim) -> None:
        """Renew the lease.

        Raises:
            LostClaim: the upload is another's.
        """
        with self.database.session() as session:
            self._held(session, claim).lease_expires_at = self._lease_end()

    def assembled(self, claim: UploadClaim) -> None:
        """The content was made of its parts."""
        with self.database.session() as session:
            self._content(session, claim).multipart_token = None

    def verified(self, claim: UploadClaim, sha256: str) -> None:
        """The whole was read: this is what it is."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.sha256 = sha256
            if row.content_id is not None:
                self._content(session, claim).sha256 = sha256

    def seen(self, claim: UploadClaim, size_bytes: int, version: str) -> None:
        """A registered data set was read: this is how large it is, and how a change of it would be noticed."""
        with self.database.session() as session:
            self._held(session, claim).size_bytes = size_bytes
            session.get_one(DatasetRow, claim.upload_id).version = version

    def accept(self, claim: UploadClaim, facts: UploadFacts) -> None:
        """The content is what it should be. If the team had the same bytes already, these are shared from now on."""
        with self.database.session() as session:
            row = self._held(session, claim)
            if row.content_id is not None:
                own = self._content(session, claim)
                same = find_content(session, own.team_id, own.sha256, own.size_bytes) if own.sha256 else None
                row.content_id = same.id if same is not None else own.id
        self._close(claim, UploadState.READY, facts=facts.document())

    def refuse(self, claim: UploadClaim, problem: ProblemFacts) -> None:
        """The content is refused."""
        self._close(claim, UploadState.REJECTED, problem=problem.document())

    def release(self, claim: UploadClaim, problem: ProblemFacts) -> None:
        """The child died: try again, until the attempts are used up."""
        with self.database.session() as session:
            self._requeue(session, self._held(session, claim), problem)

    def postpone(self, claim: UploadClaim, problem: ProblemFacts) -> None:
        """The server has no room for it now; the attempt does not count, and nothing is said of the file."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.attempts -= 1
            self._requeue(session, row, problem)

    def hand_back(self, claim: UploadClaim) -> None:
        """The worker is being shut down; the attempt does not count."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.attempts -= 1
            self._requeue(session, row, ProblemFacts(code="worker_lost", detail="the worker was shut down"))

    def reconcile(self, watch: LeaseWatch) -> list[str]:
        """Take back leases that fell silent, expire what was never completed; returns the uploads to validate.

        Args:
            watch: of the uploads' leases, kept from one call to the next.
        """
        held = select(UploadRow).where(UploadRow.state == UploadState.VALIDATING.value)
        with self.database.session() as session:
            renewals = {row.id: (row.epoch, row.lease_expires_at) for row in session.scalars(held)}
            # Skipped where locked: somebody is about to give the verdict.
            lost = held.where(UploadRow.id.in_(watch.silent(renewals))).with_for_update(skip_locked=True)
            for row in session.scalars(lost.execution_options(populate_existing=True)):
                if (row.epoch, row.lease_expires_at) == renewals[row.id]:
                    silent = ProblemFacts(code="worker_lost", detail="the worker was not heard of any more")
                    self._requeue(session, row, silent)
                    LEASE_EXPIRIES.labels("upload").inc()
            oldest = now() - timedelta(seconds=self.settings.upload_expiry_seconds)
            abandoned = update(UploadRow).where(UploadRow.state.in_([s.value for s in OPEN]))
            session.execute(
                abandoned.where(UploadRow.updated_at < oldest).values(state=UploadState.EXPIRED.value),
                execution_options={"synchronize_session": False},
            )
            waiting = select(UploadRow.id).where(IS_STORED).order_by(UploadRow.id).limit(STORED_AT_ONCE)
            return [*session.scalars(waiting)]

    def unfinished(self, upload_ids: Iterable[str]) -> set[str]:
        """Those of the uploads that somebody looks into, or will."""
        states = [UploadState.STORED.value, UploadState.VALIDATING.value]
        with self.database.session() as session:
            rows = select(UploadRow.id).where(UploadRow.id.in_([*upload_ids]), UploadRow.state.in_(states))
            return {*session.scalars(rows)}

    def _requeue(self, session: Session, row: UploadRow, problem: ProblemFacts) -> None:
        if row.attempts >= self.settings.max_attempts:
            row.state = UploadState.REJECTED.value
            row.problem = problem.document()
            announce_verdict(session, row)
        else:
            row.state = UploadState.STORED.value
        row.owner = row.lease_expires_at = None

    def _close(self, claim: UploadClaim, state: UploadState, **verdict: dict[str, Any]) -> None:
        with self.database.session() as session:
            row = self._held(session, claim)
            row.state, row.updated_at = state.value, now()
            row.owner = row.lease_expires_at = None
            for field, value in verdict.items():
                setattr(row, field, value)
            announce_verdict(session, row)

    def _lease_end(self) -> Any:
        return now() + timedelta(seconds=self.settings.lease_seconds)

    def _content(self, session: Session, claim: UploadClaim) -> ContentRow:
        return session.get_one(ContentRow, self._held(session, claim).content_id)

    @staticmethod
    def _held(session: Session, claim: UploadClaim) -> UploadRow:
        row = session.get(UploadRow, claim.upload_id, with_for_update=True)
        held = row is not None and row.state == UploadState.VALIDATING.value
        if row is None or not held or row.owner != claim.owner or row.epoch != claim.epoch:
            raise LostClaim(f"the claim {claim.epoch} on upload {claim.upload_id} does not hold any more")
        return row


def announce_verdict(session: Session, row: UploadRow) -> None:
    """Send webhooks how an upload has ended, once this transaction is committed."""
    fields = {name: getattr(row, name) for name in ("id", "name", "kind", "state", "size_bytes", "sha256", "problem")}
    announce(session, row.team_id, f"upload.{row.state}", fields)
