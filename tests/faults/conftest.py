"""Servers of one's own for all faults; a fleet for each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.states import UploadKind
from primesvt_client.schemas.jobs import JobView
from tests.support.fleet import Fleet, fleet
from tests.support.invariants import check
from tests.support.servers import OwnPostgres, OwnRedis, own_postgres, own_redis
from tests.support.stub_child import model_of

CHECKPOINT, DATA = b"a checkpoint", b"a data set"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(tmp_path_factory.mktemp("redis") / "data") as server:
        yield server


@pytest.fixture
def team(postgres: OwnPostgres, redis: OwnRedis, tmp_path: Path) -> Iterator[Fleet]:
    """An API, a reconciler and no worker yet over PostgreSQL, Redis and a folder; what must hold is checked after."""
    with postgres.database() as url, fleet(
        tmp_path / "fleet", PRIMESVT_DATABASE_URL=url, PRIMESVT_BROKER_URL=redis.url
    ) as found:  # fmt: skip
        found.api()
        found.reconciler()
        yield found
        check(found)
    redis.empty()


@pytest.fixture
def inputs(team: Fleet) -> tuple[str, str]:
    """A checkpoint and a data set, ready; a worker has validated them and is gone."""
    worker = team.worker()
    found = (team.upload(CHECKPOINT, UploadKind.CHECKPOINT), team.upload(DATA, UploadKind.DATASET))
    worker.kill()
    return found


def delivered(team: Fleet, job: JobView) -> str:
    """Digest of the model that a job has delivered."""
    return next(artifact.sha256 for artifact in team.client.artifacts(job.id) if artifact.name == "model.safetensors")


def expected(cells: int) -> str:
    """Digest of the model that an undisturbed job of that many cells delivers."""
    return hashlib.sha256(model_of(CHECKPOINT, DATA, cells)).hexdigest()
