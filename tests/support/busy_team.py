"""A team of three with hundreds of finished jobs of several checkpoints, for who looks for answers on the dashboard."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from app.catalog.states import UploadKind
from app.db import now
from app.jobs.models import JobRow
from app.jobs.records import NewJob
from app.teams.actors import Actor, ActorKind, acting
from app.teams.scopes import Role
from primesvt_client.facts import CheckpointFacts, DataSetFacts
from primesvt_core import spec as specs
from primesvt_core.report.schema import Report
from primesvt_core.types import Verdict
from tests.support.dashboard import BASELINE, Dashboard, Team, sample_report
from tests.support.finished_runs import by_divergence
from tests.support.people import person

JOBS = 300
BYTES_BEFORE = 37_300_000
PEOPLE = ("ada@example.org", "grace@example.org", "lin@example.org")
CHECKPOINTS = ("spikformer-cifar10.pth", "spikformer-cifar10-ema.pth", "sdt-v2-gesture.pth.tar", "qkformer-tiny.pth")
DATA_SETS = ("cifar10-test.zip", "gesture-test.npz")
TAGS = ("paper", "edge board", "baseline")
BUDGETS = (0.01, 0.02, 0.03, 0.05)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished job, and what somebody may want to know of it."""

    id: str
    name: str
    checkpoint: str
    submitter: str
    drop: float
    memory: int


@dataclass(frozen=True)
class BusyTeam:
    """The team, who looks, and all that is there.

    Attributes:
        reader: a member of the team, signed in.
        checkpoints: ids by name.
    """

    reader: Team
    checkpoints: Mapping[str, str]
    jobs: tuple[Made, ...]

    def smallest(self, checkpoint: str, within: float) -> Made:
        """Of a checkpoint's results that lose no more than that the smallest."""
        fitting = [one for one in self.jobs if one.checkpoint == checkpoint and one.drop <= within]
        return min(fitting, key=lambda one: one.memory)


def busy_team(board: Dashboard, jobs: int = JOBS) -> BusyTeam:
    """A team as months of work leave it, always the same."""
    chance = random.Random(7)
    team = board.team("Vision on small boards")
    people = [person(board, team, Role.MEMBER, email) for email in PEOPLE]
    models = {name: _checkpoint(board, team, name) for name in CHECKPOINTS}
    data = {name: _ready(board, team, name, DataSetFacts(samples=10_000, classes=("a", "b"))) for name in DATA_SETS}
    made = tuple(_job(board, team, models, data, chance, place) for place in range(jobs))
    _spread_over_months(board, made)
    return BusyTeam(people[0], models, made)


def _checkpoint(board: Dashboard, team: Team, name: str) -> str:
    family = name.partition("-")[0]
    facts = CheckpointFacts(
        family=family, title=family.title(), variant="cifar", parameters=9_320_000, parameter_bytes=BYTES_BEFORE
    )
    return _ready(board, team, name, facts)


def _ready(board: Dashboard, team: Team, name: str, facts: CheckpointFacts | DataSetFacts) -> str:
    kind = UploadKind.CHECKPOINT if isinstance(facts, CheckpointFacts) else UploadKind.DATASET
    upload = board.upload(team, kind, name, name.encode())
    claim = board.uploads.claim(upload.id, "worker")
    assert claim is not None
    board.uploads.verified(claim, hashlib.sha256(name.encode()).hexdigest())
    board.uploads.accept(claim, facts)
    return upload.id


def _job(
    board: Dashboard, team: Team, models: Mapping[str, str], data: Mapping[str, str], chance: random.Random, place: int
) -> Made:
    checkpoint, submitter = chance.choice(CHECKPOINTS), chance.choice(PEOPLE)
    source = DATA_SETS["gesture" in checkpoint]
    spec: dict[str, Any] = {
        "budget": {"max_accuracy_drop": chance.choice(BUDGETS), "min_memory_saving": 0.25},
        "criterion": chance.choice(("l2", "taylor")), "seed": chance.randrange(3),
    }  # fmt: skip
    asked = NewJob(
        checkpoint_id=models[checkpoint], dataset_id=data[source], spec=spec, tags=(chance.choice(TAGS),),
        name=f"{checkpoint.partition('.')[0]} {place}",
    )  # fmt: skip
    with acting(Actor(kind=ActorKind.USER, name=submitter)):
        job = board.services.jobs.submit(team.id, asked)
    report = _report(spec, chance, hashlib.sha256(checkpoint.encode()).hexdigest())
    board.finish(team, job, report)
    assert report.accuracy_drop is not None
    return Made(
        id=job.id, name=job.name, checkpoint=checkpoint, submitter=submitter, drop=report.accuracy_drop,
        memory=report.pruned.parameter_bytes,
    )  # fmt: skip


def _report(spec: dict[str, Any], chance: random.Random, digest: str) -> Report:
    """More saved where more may be lost, by and large."""
    drop = round(chance.uniform(0.1, 1.0) * spec["budget"]["max_accuracy_drop"], 4)
    saving = round(min(0.85, 0.15 + 2.2 * drop**0.4 * chance.uniform(0.5, 1.0)), 4)
    sample = sample_report(Verdict.MET if saving >= 0.25 else Verdict.ACCURACY_FLOOR_REACHED)
    memory = round(BYTES_BEFORE * (1 - saving))
    return by_divergence(
        sample,
        spec=specs.parse(spec),
        accuracy_drop=drop,
        memory_saving=saving,
        pruned=sample.pruned.model_copy(update={"accuracy": BASELINE - drop, "parameter_bytes": memory}),
        curve=tuple(
            point.model_copy(update={"memory_saving": point.memory_saving * saving / 0.28}) for point in sample.curve
        ),
        checkpoint_sha256=digest,
    )


def _spread_over_months(board: Dashboard, made: tuple[Made, ...]) -> None:
    """Every job in its hour of the past, a job every seven hours, the last one today."""
    with board.services.database.session() as session:
        for place, one in enumerate(reversed(made)):
            at = now() - timedelta(hours=1 + 7 * place)
            ran = timedelta(minutes=20 + place % 50)
            values = {"created_at": at, "started_at": at, "finished_at": at + ran, "run_seconds": ran.total_seconds()}
            session.execute(update(JobRow).where(JobRow.id == one.id).values(**values))
