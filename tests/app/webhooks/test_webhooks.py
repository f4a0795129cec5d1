"""Webhooks over HTTP, by the Python client and by the commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.db import now
from app.teams.scopes import Scope
from app.webhooks.queue import DeliveryQueue
from app.webhooks.records import Answer
from app.webhooks.states import EventType
from primesvt_client import Client
from primesvt_client.commands.command_line import command_line
from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard, Team

URL = "https://hooks.example.org/primesvt"
BAD = Answer(duration_seconds=0.5, status=503, text="busy")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("webhooks"))
    yield found
    found.close()


@pytest.fixture
def team(board: Dashboard) -> Team:
    return board.team("ours")


@pytest.fixture
def api(board: Dashboard, team: Team) -> Api:
    return Api(board, team)


def create(api: Api, **changes: Any) -> dict[str, Any]:
    body = {"url": URL, "events": ["job.failed", "job.succeeded"], "description": "ours", **changes}
    answer = api.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/webhooks/{answer.json()['id']}"
    return dict(answer.json())


def fail_once(board: Dashboard) -> None:
    work = DeliveryQueue(board.services.database)
    for claim in work.claim(100):
        work.record(claim, BAD)


def test_a_secret_is_shown_when_it_is_made_and_never_again(api: Api) -> None:
    made = create(api)
    assert made["secret"].startswith("whsec_")
    rotated = api.post(f"/webhooks/{made['id']}/rotate").json()
    assert rotated["secret"] not in ("", made["secret"])
    assert rotated["previous_secret_until"] > rotated["created_at"]
    for answer in (api.get("/webhooks"), api.get(f"/webhooks/{made['id']}")):
        assert "secret" not in answer.text.replace("previous_secret_until", "")


def test_a_webhook_is_changed_and_deleted(api: Api) -> None:
    made = create(api)
    address = f"/api/v1/webhooks/{made['id']}"
    changed = api("PATCH", address, json={"events": ["upload.ready"], "enabled": False}).json()
    assert (changed["events"], changed["enabled"], changed["description"]) == (["upload.ready"], False, "ours")
    with problem(api.post(f"/webhooks/{made['id']}/ping"), 409, "conflict"):
        pass
    for no_switch in (0.0, 1, "true"):
        with problem(api("PATCH", address, json={"enabled": no_switch}), 422, "invalid_request"):
            pass
    assert api("PATCH", address, json={"enabled": True}).json()["enabled"]
    assert api.delete(f"/webhooks/{made['id']}").status_code == 204
    with problem(api.get(f"/webhooks/{made['id']}"), 404, "not_found"):
        pass


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://hooks.example.org/"}, "webhook_url_refused"),
        ({"url": "https://169.254.169.254/latest"}, "webhook_url_refused"),
        ({"url": "https://xn--a/"}, "webhook_url_refused"),
        ({"events": []}, "invalid_request"),
        ({"events": ["job.exploded"]}, "invalid_request"),
        ({"url": ""}, "invalid_request"),
        ({"description": "x" * 201}, "invalid_request"),
        ({"secret": "mine"}, "invalid_request"),
    ],
)
def test_what_is_wrong_is_refused(api: Api, body: dict[str, Any], code: str) -> None:
    with problem(api.post("/webhooks", json={"url": URL, "events": ["job.failed"], **body}), 422, code):
        pass


def test_the_log_tells_every_attempt_and_replays_are_asked_for(board: Dashboard, api: Api) -> None:
    hook = create(api)["id"]
    sent = api.post(f"/webhooks/{hook}/ping")
    assert sent.status_code == 202
    delivery = f"/webhooks/{hook}/deliveries/{sent.json()['id']}"
    with problem(api.post(f"{delivery}/replay"), 409, "conflict"):
        pass
    fail_once(board)
    log = api.get(delivery).json()
    assert json.loads(log["body"])["type"] == "ping"
    assert [(one["status"], one["answer"], one["problem"]) for one in log["log"]] == [
        (503, "busy", "the receiver answered 503")
    ]
    assert log["next_attempt_at"] > log["created_at"]
    api("PATCH", f"/api/v1/webhooks/{hook}", json={"enabled": False})
    api("PATCH", f"/api/v1/webhooks/{hook}", json={"enabled": True})
    assert api.get(f"/webhooks/{hook}/deliveries?state=failed").json()["items"][0]["state"] == "failed"
    later, before = (now() + timedelta(hours=hours) for hours in (1, -1))
    ever, never = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"
    for since, count in (
        (later.isoformat(), 0),
        (never, 0),
        (before.isoformat(), 1),
        (before.isoformat(), 0),
        (ever, 0),
    ):
        answer = api.post(f"/webhooks/{hook}/replay", json={"since": since})
        assert (answer.status_code, answer.json()) == (202, {"deliveries": count})


def test_who_may_read_webhooks_may_not_change_them(board: Dashboard, team: Team, api: Api) -> None:
    hook = create(api)["id"]
    reader = board.services.keys.create(team.id, "reader", scopes=[Scope.WEBHOOKS_READ])
    asked = Api(board, Team(team.id, reader.secret, ""))
    assert asked.get(f"/webhooks/{hook}").status_code == 200
    for answer in (asked.delete(f"/webhooks/{hook}"), asked.post(f"/webhooks/{hook}/rotate")):
        with problem(answer, 403, "insufficient_scope"):
            pass


@pytest.fixture
def connect(board: Dashboard, team: Team) -> Callable[..., Client]:
    def through(request: httpx.Request) -> httpx.Response:
        headers, content = dict(request.headers), request.content
        answer = Api(board, None)(request.method, str(request.url), headers=headers, content=content)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return lambda *_told: Client("http://server", team.secret, transport=httpx.MockTransport(through))


def test_the_client_does_all_of_it(board: Dashboard, connect: Callable[..., Client]) -> None:
    with connect() as ours:
        made = ours.webhooks.create(URL, [EventType.JOB_FAILED])
        assert [hook.id for hook in ours.webhooks.all()] == [made.id]
        assert ours.webhooks.change(made.id, events=[EventType.UPLOAD_READY]).events == (EventType.UPLOAD_READY,)
        assert ours.webhooks.rotate(made.id).secret != made.secret
        sent = [ours.webhooks.ping(made.id).id for _ in range(3)]
        fail_once(board)
        assert {one.id for one in ours.webhooks.deliveries(made.id)} == set(sent)
        ours.webhooks.change(made.id, enabled=False)
        ours.webhooks.change(made.id, enabled=True)
        assert ours.webhooks.replay(made.id, sent[0]).state == "pending"
        assert ours.webhooks.replay_failed(made.id, now() - timedelta(hours=1)) == 2
        assert len(ours.webhooks.delivery(made.id, sent[0]).log) in (0, 1)
        ours.webhooks.delete(made.id)
        assert ours.webhooks.all() == []


def test_the_commands_do_all_of_it(
    board: Dashboard, connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("primesvt_client.commands.webhooks.connect", connect)
    run = CliRunner()

    def told(*arguments: str) -> str:
        result = run.invoke(command_line(), ["webhooks", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    made = json.loads(told("create", URL, "--event", "job.failed", "--json"))
    assert "whsec_" in told("rotate", made["id"])
    sent = json.loads(told("ping", made["id"], "--json"))["id"]
    fail_once(board)
    assert "the receiver answered 503" in told("log", made["id"], sent)
    assert sent in told("deliveries", made["id"])
    assert "disabled" in told("change", made["id"], "--disable")
    assert URL in told("list")
    told("change", made["id"], "--enable", "--event", "upload.ready")
    told("replay", made["id"], "--hours", "1")
    assert json.loads(told("deliveries", made["id"], "--state", "pending", "--json"))[0]["id"] == sent
    told("delete", made["id"])
    assert json.loads(told("list", "--json")) == []
