"""Hostile files through the real service, on one machine's stores and on a fleet's: the verdict wanted, nothing run,
no worker lost, no server error, and little spent. One file for each verdict on one machine with `make test-thorough`,
every file on both with `make test-faults`; what the readers make of every file, without a service around them, is
tested in `tests/core`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.catalog.models import UploadRow
from app.catalog.states import UploadKind, UploadState
from tests.support.corpus import CANARY, CODE_OF, CODES, CORPUS, MANIFEST
from tests.support.databases import fresh_url
from tests.support.embedded import needs_proc
from tests.support.fleet import Fleet, fleet
from tests.support.hostile_data import HOSTILE, READY
from tests.support.servers import own_redis, until
from tests.support.shared import needs_shared
from tests.support.stores import store_url
from tests.support.swift import CREDENTIALS

pytestmark = [pytest.mark.slow, needs_proc]

PROFILES = {"one machine": ("sqlite", "file"), "fleet": ("postgresql", "s3")}
EVERY_FILE = "every file on "
AT_ONCE = 4
MOST_BYTES = 400 << 20
MOST_CPU_SECONDS = 15.0
PATIENCE_SECONDS = 280.0


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of one file."""

    verdict: str
    attempts: int
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Trial:
    """What became of all of them, and of the service."""

    sent: Files
    checkpoints: dict[str, Judged]
    data: dict[str, Judged]
    statuses: set[int]
    workers_lost: int
    folder: Path


@dataclass(frozen=True)
class Files:
    """Names of the files that are sent."""

    checkpoints: tuple[str, ...]
    data: tuple[str, ...]


def files_of(profile: str) -> Files:
    """All of them, or the first for each verdict that is wanted."""
    if profile.startswith(EVERY_FILE):
        return Files(tuple(MANIFEST), tuple(HOSTILE))
    checkpoints = {CODE_OF.get(name, ""): name for name in reversed([*MANIFEST])}
    data = {HOSTILE[name].wanted[0]: name for name in reversed([*HOSTILE])}
    return Files(tuple(checkpoints.values()), tuple(data.values()))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("one machine", marks=pytest.mark.thorough),
        *(pytest.param(f"{EVERY_FILE}{name}", marks=pytest.mark.faults) for name in PROFILES),
    ],
)
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("hostile")
    database, store = PROFILES[request.param.removeprefix(EVERY_FILE)]
    with ExitStack() as stack:
        url, endpoint = store_url(store, folder, request)
        env = {
            "PRIMESVT_BROKER_URL": stack.enter_context(own_redis(folder / "redis")).url,
            "PRIMESVT_DATABASE_URL": stack.enter_context(fresh_url(database, folder)),
            "PRIMESVT_STORAGE_URL": url, "PRIMESVT_S3_ENDPOINT": endpoint, "PRIMESVT_LEASE_SECONDS": "60",
            "PYTHON_MEASURES": str(folder / "measures.jsonl"), **(CREDENTIALS if store == "s3" else {}),
        }  # fmt: skip
        yield judge(stack.enter_context(fleet(folder / "fleet", **env)), folder, files_of(request.param))


def judge(found: Fleet, folder: Path, chosen: Files) -> Trial:
    found.api()
    worker = found.part("worker", "tests.support.measuring_worker")
    found.reconciler()
    files = [(UploadKind.CHECKPOINT, name, name) for name in chosen.checkpoints]
    files += [(UploadKind.DATASET, name, HOSTILE[name].name) for name in chosen.data]
    statuses: set[int] = set()
    address = f"http://127.0.0.1:{found.port}/api/v1"

    def send(file: tuple[UploadKind, str, str]) -> tuple[UploadKind, str, str]:
        kind, key, name = file
        content = (CORPUS / key).read_bytes() if kind is UploadKind.CHECKPOINT else HOSTILE[key].make()
        answer = client.post(f"{address}/uploads/whole", params={"kind": kind.value, "name": name}, content=content)
        assert answer.status_code == 202, answer.text
        return kind, key, answer.json()["id"]

    def is_judged() -> bool:
        open_states = (UploadState.STORED.value, UploadState.VALIDATING.value)
        with found.database.session() as session:
            return not session.scalars(select(UploadRow.id).where(UploadRow.state.in_(open_states))).first()

    with httpx.Client(headers={"Authorization": f"Bearer {found.key}"}, trust_env=False, timeout=60) as client:
        client.event_hooks = {"response": [lambda answer: statuses.add(answer.status_code)]}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = [*pool.map(send, files)]
        until(is_judged, "uploads do not all get a verdict", PATIENCE_SECONDS)
        told = {upload: client.get(f"{address}/uploads/{upload}").json() for _, _, upload in sent}
        for page in ("/uploads", f"/uploads?limit={len(sent)}"):
            client.get(f"{address}{page}")
    assert worker.process is not None
    judged = judgements(found, folder, told)
    return Trial(
        sent=chosen,
        checkpoints={key: judged[upload] for kind, key, upload in sent if kind is UploadKind.CHECKPOINT},
        data={key: judged[upload] for kind, key, upload in sent if kind is UploadKind.DATASET},
        statuses=statuses,
        workers_lost=int(worker.process.poll() is not None),
        folder=folder,
    )


def judgements(found: Fleet, folder: Path, told: dict[str, dict[str, dict[str, str]]]) -> dict[str, Judged]:
    lines = [json.loads(line) for line in (folder / "measures.jsonl").read_text().splitlines()]
    taken = {line["upload"]: line for line in lines}
    with found.database.session() as session:
        attempts = {row.id: row.attempts for row in session.scalars(select(UploadRow))}
    return {
        upload: Judged(
            verdict=document["problem"]["code"] if document["problem"] else str(document["state"]),
            attempts=attempts[upload],
            cpu_seconds=taken[upload]["cpu_seconds"],
            peak_bytes=taken[upload]["peak_bytes"],
        )
        for upload, document in told.items()
    }


@needs_shared
def test_every_hostile_checkpoint_gets_the_wanted_verdict(trial: Trial) -> None:
    wrong = {
        name: judged.verdict
        for name, judged in trial.checkpoints.items()
        # What is readable is no spiking transformer, which is not for the reader to say.
        if (judged.verdict != CODE_OF[name] if name in CODE_OF else judged.verdict in CODES)
    }
    assert not wrong
    assert {*trial.checkpoints} == {*trial.sent.checkpoints}
    assert {CODE_OF.get(name) for name in trial.checkpoints} == {CODE_OF.get(name) for name in MANIFEST}


def test_every_hostile_data_set_gets_the_wanted_verdict(trial: Trial) -> None:
    assert UploadState.READY.value == READY
    wrong = {name: judged.verdict for name, judged in trial.data.items() if judged.verdict not in HOSTILE[name].wanted}
    assert not wrong
    assert {*trial.data} == {*trial.sent.data}
    assert {HOSTILE[name].wanted[0] for name in trial.data} == {hostile.wanted[0] for hostile in HOSTILE.values()}


def test_no_child_dies_no_worker_is_lost_and_the_server_does_not_err(trial: Trial) -> None:
    every = {**trial.checkpoints, **trial.data}
    assert {name: judged.attempts for name, judged in every.items() if judged.attempts != 1} == {}
    assert trial.workers_lost == 0
    assert {status for status in trial.statuses if status >= 500} == set()


def test_little_is_spent_on_any_of_them(trial: Trial) -> None:
    every = {**trial.checkpoints, **trial.data}
    dear = {name: judged for name, judged in every.items() if judged.cpu_seconds > MOST_CPU_SECONDS}
    assert not dear
    assert not {name: judged for name, judged in every.items() if judged.peak_bytes > MOST_BYTES}


def test_nothing_is_run(trial: Trial) -> None:
    assert not [*trial.folder.rglob(CANARY)]
    assert not Path(CANARY).exists()
