"""What is taken out of a workspace while a child works in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.errors import ParentResultsGone
from app.jobs.earlier import EarlierCells, EarlierJobs
from app.jobs.records import HeartbeatReply, JobClaim, NewJob
from app.storage import StoreUnavailable
from primesvt_core.workspace import reuse
from primesvt_core.workspace.store import CELLS, SNAPSHOT, Workspace
from tests.support.databases import fresh
from tests.support.finished_runs import finish
from tests.support.shop import PROBLEM, Shop
from worker.heartbeat import LeaseHeartbeat
from worker.inputs import ContentChanged
from worker.persistence import NewCells, SavedFiles, delete_leftovers, fetch_cells, fetch_run

NAME = SNAPSHOT.format("1")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with fresh("sqlite", tmp_path) as database:
        yield Shop(database, tmp_path)


@pytest.fixture
def heartbeat() -> LeaseHeartbeat:
    return LeaseHeartbeat(
        lambda _reports, _seconds: HeartbeatReply(cancel_requested=False), Event(), every_seconds=60, lease_seconds=60
    )


def saved_files(shop: Shop, claim: JobClaim, machine: Path) -> SavedFiles:
    machine.mkdir(exist_ok=True)
    return SavedFiles(shop.files, shop.store, claim, machine)


def stored(shop: Shop) -> list[Path]:
    return [path for path in (shop.settings.data_dir / "blobs" / "workspaces").rglob("*") if path.is_file()]


def test_cells_are_read_as_they_come_and_again_until_they_are_saved(tmp_path: Path) -> None:
    new_cells, workspace = NewCells(tmp_path), Workspace(tmp_path)
    assert new_cells.read() == {}
    workspace.learn({"a": "01", "b": "10"})
    assert new_cells.read() == new_cells.read() == {"a": "01", "b": "10"}
    new_cells.mark_saved()
    assert new_cells.read() == {}
    with (tmp_path / CELLS).open("a") as file:
        file.write('{"key": "c", "val')
        file.flush()
        assert new_cells.read() == {}
        new_cells.mark_saved()
        file.write('ue": "11"}\n' + json.dumps({"key": "d", "value": "00"}) + "\n")
    assert new_cells.read() == {"c": "11", "d": "00"}


def test_cells_behind_a_line_of_rubbish_are_not_believed(tmp_path: Path) -> None:
    (tmp_path / CELLS).write_text('{"key": "a", "value": "1"}\nrubbish\n{"key": "b", "value": "1"}\n')
    assert NewCells(tmp_path).read() == {"a": "1"}


def test_a_snapshot_is_handed_on_to_another_machine(shop: Shop, heartbeat: LeaseHeartbeat, tmp_path: Path) -> None:
    claim = shop.claimed()
    here, there = tmp_path / "here", tmp_path / "there"
    first = saved_files(shop, claim, here)
    for content in (b"epoch 1", b"epoch 2 and more"):
        (here / NAME).write_bytes(content)
        (here / (NAME + ".part")).write_bytes(b"half of the next")
        first.save(heartbeat)
        first.save(heartbeat)
    assert len(shop.files.all(claim)) == 1
    assert (
        len([*(shop.settings.data_dir / "blobs" / "workspaces").rglob("*")]) == 3
    )  # job, epoch, one file: the older one is gone
    shop.queue.release(claim, PROBLEM)
    again = shop.claimed(shop.job(claim))
    fetched = saved_files(shop, again, there).fetch(there / "fetched", heartbeat)
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == {NAME: b"epoch 2 and more"}
    assert [*saved_files(shop, again, here).fetch(here / "fetched", heartbeat).iterdir()] == []  # it is there
    shop.queue.fail(again, PROBLEM)
    delete_leftovers(shop.files, shop.store)
    assert stored(shop) == []


def test_a_snapshot_that_was_damaged_or_lost_on_the_way_is_not_used(
    shop: Shop, heartbeat: LeaseHeartbeat, tmp_path: Path
) -> None:
    claim = shop.claimed()
    first = saved_files(shop, claim, tmp_path / "here")
    (tmp_path / "here" / NAME).write_bytes(b"epoch 1")
    first.save(heartbeat)
    [kept] = shop.files.all(claim)
    other = saved_files(shop, claim, tmp_path / "there")
    shop.store.put(kept.blob_key, [b"epoch X"])
    assert [*other.fetch(tmp_path / "fetched", heartbeat).iterdir()] == []
    shop.store.delete(kept.blob_key)
    assert [*other.fetch(tmp_path / "fetched", heartbeat).iterdir()] == []


def test_a_store_that_is_away_holds_nothing_up(
    shop: Shop, heartbeat: LeaseHeartbeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, tries = shop.claimed(), list[str]()
    saved = saved_files(shop, claim, tmp_path / "here")
    (tmp_path / "here" / NAME).write_bytes(b"epoch 1")

    def away(key: str, _chunks: Any) -> None:
        tries.append(key)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "put", away)
        saved.save(heartbeat)
        saved.save(heartbeat)  # not again at once
    assert len(tries) == 1
    monkeypatch.setattr("worker.persistence.RETRY_SECONDS", 0.0)
    saved._retry_at = 0.0
    saved.save(heartbeat)
    assert [file.name for file in shop.files.all(claim)] == [NAME]


def test_cells_of_earlier_jobs_are_fetched_unless_they_are_gone_or_damaged(
    shop: Shop, heartbeat: LeaseHeartbeat, tmp_path: Path
) -> None:
    content = b"cells"
    shop.store.put("whole", [content])
    shop.store.put("damaged", [b"others"])
    digest = hashlib.sha256(content).hexdigest()

    class Earlier(EarlierJobs):
        def cells(self, claim: JobClaim, name: str) -> list[EarlierCells]:
            return [EarlierCells(f"job-{key}", key, digest) for key in ("whole", "gone", "damaged")]

    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "of another attempt").touch()
    found = fetch_cells(Earlier(shop.database), shop.store, shop.claimed(), tmp_path / "earlier", heartbeat)
    assert [path.name for path in found] == ["job-whole.cells.jsonl.gz"]
    assert found[0].read_bytes() == content


def test_what_another_budget_needs_is_fetched_or_missed(shop: Shop, heartbeat: LeaseHeartbeat, tmp_path: Path) -> None:
    parent = finish(shop, shop.claimed())
    budget = {"budget": {"max_accuracy_drop": 0.02}}
    asked = NewJob(checkpoint_id="", dataset_id="", spec=budget, parent_id=parent)
    run = shop.claimed(shop.jobs.submit(shop.team, asked)).parent
    assert run is not None
    folder = tmp_path / "parent"
    (folder / "of another attempt").mkdir(parents=True)
    assert fetch_run(shop.store, run, folder, heartbeat) == folder
    assert {path.name for path in folder.iterdir()} == {"report.json", reuse.FILE}
    assert (folder / reuse.FILE).read_bytes() == b"cells"
    cells = run.files[reuse.FILE]
    with pytest.raises(ParentResultsGone, match=reuse.FILE):
        fetch_run(shop.store, replace(run, files={"report.json": run.files["report.json"]}), folder, heartbeat)
    shop.store.put(cells.blob_key, [b"others"])
    with pytest.raises(ContentChanged):
        fetch_run(shop.store, run, folder, heartbeat)
    shop.store.delete(cells.blob_key)
    with pytest.raises(ParentResultsGone):
        fetch_run(shop.store, run, folder, heartbeat)
