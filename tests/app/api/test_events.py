"""Server-sent events over HTTP."""

from __future__ import annotations

from primesvt_client.facts import ProblemFacts
from tests.support.api import Api
from tests.support.dashboard import Dashboard, Team


def test_events_are_told_once_and_again_behind_the_last_one(board: Dashboard, ours: Team, api: Api) -> None:
    job, claim = board.running(ours, reports=5)
    board.jobs.fail(claim, ProblemFacts(code="x", detail="y"))
    stream = api.get(f"/jobs/{job.id}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    ids = [int(line.removeprefix("id: ")) for line in stream.text.splitlines() if line.startswith("id: ")]
    assert ids == sorted(set(ids))
    assert len(ids) == 1 + 1 + 5 + 1  # queued, running, five reports, failed
    behind = api.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": str(ids[3])})
    assert [f"id: {number}" for number in ids[4:]] == [x for x in behind.text.splitlines() if x.startswith("id: ")]
    assert api.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": str(ids[-1])}).status_code == 204
