"""A job with what can be done about it: each asks the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from primesvt_client import Client, Job
from primesvt_client import client as clients
from primesvt_client.schemas.jobs import EventView, JobView

VIEW: dict[str, Any] = {
    "id": "job_1", "name": "n", "state": "running", "checkpoint_id": "upl_1", "dataset_id": "upl_2",
    "train_dataset_id": None, "retry_of": None, "progress": None, "verdict": None, "summary": None, "problem": None,
    "attempts": 1, "priority": "normal", "run_seconds": 0.0, "gpu_seconds": 0.0, "created_at": "2026-01-01T00:00:00Z",
    "started_at": None, "finished_at": None, "queue_position": None, "spec": {},
}  # fmt: skip


class Server:
    """Answers as one would, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.state = "running"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path.removeprefix('/api/v1/')}")
        return httpx.Response(200, json={**VIEW, "state": self.state})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def job(server: Server) -> Job:
    return Client("http://server", "psvt_key", transport=httpx.MockTransport(server)).job("job_1")


def test_it_is_the_view_and_asks_for_itself(job: Job, server: Server) -> None:
    assert isinstance(job, JobView)
    assert json.loads(job.model_dump_json()) == json.loads(JobView.model_validate(VIEW).model_dump_json())
    server.state = "cancelling"
    assert job.refresh().state == job.cancel().state == "cancelling"
    assert job.retry().id == "job_1"
    assert job.state == "running", "it stays as it was when it was asked for"
    assert server.asked[1:] == ["GET jobs/job_1", "POST jobs/job_1/cancel", "POST jobs/job_1/retry"]


@pytest.mark.parametrize("show", [False, True])
def test_waiting_tells_every_event_in_order(
    show: bool, job: Job, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress: dict[str, Any] = {"step": "search", "done": 1, "total": 2, "note": ""}
    told = [
        EventView.model_validate(
            {"id": 1, "kind": "state", "data": {"state": "running"}, "created_at": VIEW["created_at"]}
        ),
        EventView.model_validate({"id": 2, "kind": "progress", "data": progress, "created_at": VIEW["created_at"]}),
    ]
    monkeypatch.setattr(clients, "events", lambda _connection, _id, _after: iter(told))
    server.state = "succeeded"
    seen: list[EventView] = []
    done = job.wait(seen.append, show=show)
    assert (done.state, [event.id for event in seen]) == ("succeeded", [1, 2])
    assert isinstance(done, Job)
    assert ("searching" in capsys.readouterr().err) is show


def test_downloading_takes_a_text_for_a_folder(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def download(*given: Any) -> list[Path]:
        asked.extend(given)
        return [tmp_path]

    monkeypatch.setattr(job._client, "download", download)
    assert job.download(str(tmp_path)) == [tmp_path]
    assert asked[:2] == ["job_1", tmp_path]
