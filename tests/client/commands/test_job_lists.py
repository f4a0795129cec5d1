"""Commands about lists of jobs: what they ask the server for, and what they refuse."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from primesvt_client import Client
from primesvt_client.commands import job_lists
from primesvt_client.errors import SpecError
from primesvt_client.states import Archived, JobSort, JobState, SortOrder, Verdict

SERVER = ("--server", "http://server", "--api-key", "psvt_x")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """What commands send to a server that knows nothing of them."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        empty: dict[str, Any] = {"items": [], "next_cursor": None} if request.method == "GET" else {"jobs": 2}
        return httpx.Response(200, json=empty)

    def connect(server: str, key: str) -> Client:
        return Client(server, key, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(job_lists, "connect", connect)
    return requests


def run(command: Any, *words: str) -> Any:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [*words, *SERVER])


def test_a_list_is_asked_for_as_the_options_say(sent: list[httpx.Request]) -> None:
    done = run(
        job_lists.list_jobs, "--tag", "a b", "--tag", "c", "--verdict", "met", "--sort", "saving", "--order", "asc",
        "--archived", "only", "--submitted-by", "ci", "--checkpoint", "upl_1", "--query", "night",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    [request] = sent
    assert dict(request.url.params.multi_items()) | {"tag": request.url.params.get_list("tag")} == {
        "tag": ["a b", "c"], "verdict": "met", "sort": "saving", "order": "asc", "archived": "only",
        "submitted_by": "ci", "checkpoint_id": "upl_1", "q": "night",
    }  # fmt: skip


def test_servers_of_earlier_versions_are_asked_as_they_were(sent: list[httpx.Request]) -> None:
    assert run(job_lists.list_jobs, "--state", "failed").exit_code == 0
    assert dict(sent[0].url.params) == {"state": "failed"}


def test_jobs_are_archived_and_brought_back_by_one_request(sent: list[httpx.Request]) -> None:
    for command, path in ((job_lists.archive, "archive"), (job_lists.unarchive, "unarchive")):
        assert run(command, "job_1", "job_2").exit_code == 0
        request = sent.pop()
        assert (request.url.path, request.read()) == (f"/api/v1/jobs/{path}", b'{"job_ids":["job_1","job_2"]}')


@pytest.mark.parametrize("words", [("job_1",), ("job_1", "--tag", "a", "--no-tags")])
def test_a_change_that_says_nothing_or_two_things_is_refused(sent: list[httpx.Request], words: tuple[str, ...]) -> None:
    assert isinstance(run(job_lists.change, *words).exception, SpecError)
    assert sent == []


def test_the_client_asks_for_all_pages_with_the_same_filters() -> None:
    pages = iter([{"items": [], "next_cursor": "more"}, {"items": [], "next_cursor": None}])
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json=next(pages))

    with Client("http://server", "psvt_x", transport=httpx.MockTransport(answer)) as client:
        found = client.jobs(
            [JobState.FAILED], "x", tags=["t"], verdicts=[Verdict.MET], archived=Archived.INCLUDE,
            sort=JobSort.NAME, order=SortOrder.DESCENDING,
        )  # fmt: skip
        assert [*found] == []
    first, second = asked
    assert second.params == first.params.add("cursor", "more")
