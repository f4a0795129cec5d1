"""What clients call their things, wherever it is told again: tables, headers, logs, problems."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest

from app.api.downloads import disposition
from app.catalog.states import UploadKind
from app.logs import formatter
from primesvt_core.report.csv_tables import FORMULA_STARTS, csv_line
from tests.support.api import JSON, Api, problem
from tests.support.dashboard import Dashboard, Team

NAMES = (
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", " =1+1", "\uff1d1+1", "\t=1", "a;=1+1", 'a","=1+1', "'=1",
    "a\r\nSet-Cookie: a=b", "a\nb", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "\u0000", "../../etc/passwd", "..\\x",
    'a"; filename="evil.exe', "<script>alert(1)</script>", "\U0001f600" * 50, "x" * 1000, "\u2028", "%0d%0aX: y",
)  # fmt: skip


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("names"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def team(board: Dashboard) -> Team:
    return board.team()


def is_inert(cell: str) -> bool:
    return not cell.lstrip(" ").startswith(FORMULA_STARTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_holds_nothing_but_texts_and_numbers(name: str) -> None:
    line = csv_line([name, -3, 0.5, None])
    [row] = csv.reader([line], strict=True) if "\n" not in name else csv.reader(line.splitlines(keepends=True))
    assert is_inert(row[0])
    assert row[0].removeprefix("'") == name.removeprefix("'")
    assert row[1:3] == ["-3", "0.5"]
    assert line.startswith('"')


@pytest.mark.parametrize("name", NAMES)
def test_a_download_keeps_its_name_and_adds_no_field(name: str) -> None:
    field = disposition(name)
    assert field.isascii()
    assert field.isprintable()
    assert field.startswith('attachment; filename="')
    assert field.count('"') == 2
    last = name.rsplit("/", 1)[-1]
    assert unquote(field.rpartition("UTF-8''")[2]) == last


@pytest.mark.parametrize("name", NAMES[::3])
def test_whatever_a_thing_is_called_it_is_told_again_as_text(board: Dashboard, team: Team, name: str) -> None:
    api = Api(board, team)
    body = {"kind": UploadKind.CHECKPOINT.value, "name": name, "size_bytes": 3}
    made = [
        api.post("/uploads", json=body),
        api.post("/keys", json={"name": name, "scopes": ["jobs:read"]}),
        api.post("/invitations", json={"email": name}),
        api.post("/webhooks", json={"url": "https://example.com/x", "events": ["job.failed"], "description": name}),
        api.get("/jobs", params={"q": name}),
        api.get(f"/jobs/{quote(name, safe='')}"),
        api("PATCH", "/api/v1/team", json={"name": name}),
    ]
    for answer in made:
        assert answer.status_code < 500, answer.text
        assert all(value.isprintable() for value in answer.headers.values()), answer.headers
    for upload in api.get("/uploads").json()["items"]:
        assert upload["name"].isprintable()
        assert "/" not in upload["name"]


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "/uploads", {"kind": "dataset", "name": "\ud800", "size_bytes": 3}),
        ("POST", "/uploads", {"kind": "dataset", "name": "a", "size_bytes": 3, "sha256": "\ud800"}),
        ("POST", "/jobs", {"checkpoint_id": "upl_a", "dataset_id": "upl_b", "spec": {}, "name": "a\udfff"}),
        ("POST", "/jobs", {"checkpoint_id": "\ud800", "dataset_id": "upl_b", "spec": {}}),
        ("POST", "/keys", {"name": "\ud800", "scopes": ["jobs:read"]}),
        ("POST", "/keys", {"name": "a", "scopes": ["\ud800"]}),
        ("POST", "/keys", {"name": "a", "scopes": ["jobs:read"], "\ud800": 1}),
        ("POST", "/invitations", {"email": "\ud800@example.org"}),
        ("POST", "/webhooks", {"url": "https://example.com/\ud800", "events": ["job.failed"]}),
        ("POST", "/webhooks", {"url": "https://example.com/", "events": ["job.failed"], "description": "\ud800"}),
        ("PATCH", "/team", {"name": "\ud800"}),
    ],
)
def test_halves_of_surrogate_pairs_are_no_text(
    board: Dashboard, team: Team, method: str, address: str, body: dict[str, Any]
) -> None:
    answer = Api(board, team)(method, "/api/v1" + address, content=json.dumps(body), headers=JSON)
    with problem(answer, 422, "invalid_request"):
        pass


def test_the_audit_log_as_a_table_holds_no_formula(board: Dashboard, team: Team) -> None:
    api = Api(board, team)
    for name in NAMES:
        api.post("/keys", json={"name": name, "scopes": ["jobs:read"]})
    answer = api.get("/audit.csv")
    rows = [*csv.reader(answer.text.splitlines(keepends=True), strict=True)]
    assert len(rows) > len(NAMES) / 2
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [cell for row in rows for cell in row if not is_inert(cell)] == []


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_log_line_is_one_line(name: str, as_json: bool) -> None:
    record = logging.LogRecord("app", logging.INFO, "", 0, "upload_accepted", (), None)
    record.__dict__["name_given"] = name
    line = formatter(as_json=as_json).format(record)
    assert len(line.splitlines()) == 1
    assert line.isprintable()


@pytest.mark.parametrize("name", NAMES)
def test_no_error_begins_a_line_of_the_log(name: str) -> None:
    try:
        raise ValueError(name)
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("app", logging.ERROR, "", 0, "request_failed", (), told)
    first, *rest = formatter(as_json=False).format(record).split("\n")
    assert "request_failed" in first
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
