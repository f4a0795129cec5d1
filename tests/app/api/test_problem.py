"""Errors as problems."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import errors
from app.api.problem import STATUS
from app.logs import formatter
from app.storage import StoreFull, StoreUnavailable
from tests.support.api import JSON, Api, problem
from tests.support.browsing import get
from tests.support.dashboard import Dashboard

SECRET = "whsec_shown_only_once"


def test_every_error_of_the_domains_has_a_status() -> None:
    def below(error: type[Exception]) -> Iterator[type[Exception]]:
        yield error
        for child in error.__subclasses__():
            yield from below(child)

    for error in below(errors.DomainError):
        assert any(parent in STATUS for parent in error.__mro__), error


def test_unknown_addresses_and_methods_are_problems(api: Api) -> None:
    assert api.get("/nothing").headers["content-type"] == "application/problem+json"
    answer = api("PATCH", "/api/v1/jobs")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert api.post("/jobs", content=b"{", headers=JSON).status_code == 422
    assert api.get("/jobs/" + "x" * 500).status_code == 404


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("fault", [RuntimeError("broken"), StoreUnavailable("away")])
def test_a_request_that_failed_is_logged_without_the_secret_of_its_address(
    fresh: Dashboard, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    @fresh.app.get("/links/{secret}")
    def follow(secret: str) -> None:
        raise fault

    with caplog.at_level(logging.INFO):
        assert Api(fresh, None)("GET", f"/links/{SECRET}").status_code in (500, 503)
    lines = [formatter(as_json=True).format(record) for record in caplog.records if record.name.startswith("app")]
    assert any('"route": "/links/{secret}"' in line and "_failed" in line for line in lines), lines
    assert not [line for line in lines if SECRET in line]


LOCKED = OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))
AWAY = OperationalError("SELECT", {}, psycopg.OperationalError("connection refused"))
FULL = OperationalError("INSERT", {}, psycopg.errors.DiskFull("no room"))
DEFECT = ProgrammingError("SELECT", {}, psycopg.errors.UndefinedTable("no such table"))


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (LOCKED, 503, "database_unavailable"),
        (AWAY, 503, "database_unavailable"),
        (PoolTimeout("all connections are in use"), 503, "database_unavailable"),
        (FULL, 507, "storage_full"),
        (DEFECT, 500, "internal_error"),
    ],
)
def test_a_database_that_is_away_is_no_defect_and_says_when_to_come_again(
    fresh: Dashboard, fault: Exception, status: int, code: str
) -> None:
    @fresh.app.get("/faulty")
    def faulty() -> None:
        raise fault

    with problem(Api(fresh, None)("GET", "/faulty"), status, code):
        pass
    page = Api(fresh, None)("GET", "/faulty", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert code in page.text
    for answer in (page, Api(fresh, None)("GET", "/faulty")):
        assert answer.headers.get("retry-after") == {503: "5", 507: "60"}.get(status)


def test_pages_and_api_say_that_a_locked_database_is_busy(fresh: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    team = fresh.team()

    @event.listens_for(fresh.services.database.engine, "begin")
    def locked(_connection: object) -> None:
        raise LOCKED

    assert Api(fresh, team).get("/jobs").status_code == 503
    headers = {"Accept": "text/html", "Cookie": "primesvt_session=x"}
    page = Api(fresh, None)("GET", "/", headers=headers)
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "text/html" in page.headers["content-type"]
    assert Api(fresh, None)("GET", "/nothing", headers=headers).status_code == 404


def database_says(text: str) -> OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = "SQLITE_ERROR"
    return OperationalError("INSERT", {}, error)


FULL_DISKS = [
    StoreFull(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full"),
    database_says("database or disk is full"), database_says("could not extend file: No space left on device"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FULL_DISKS, ids=repr)
def test_a_full_disk_is_507_wherever_it_is_noticed(fresh: Dashboard, fault: Exception) -> None:
    @fresh.app.get("/writing")
    def write() -> None:
        raise fault

    answer = Api(fresh, None)("GET", "/writing")
    with problem(answer, 507, "storage_full"):
        assert int(answer.headers["retry-after"]) > 0
    page = get(fresh, None, "/writing")
    assert (page.status_code, page.headers["retry-after"]) == (507, answer.headers["retry-after"])
    assert "storage is full" in page.text


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "broken"), database_says("no such table")], ids=repr)
def test_other_faults_of_disks_and_databases_are_not(fresh: Dashboard, fault: Exception) -> None:
    @fresh.app.get("/writing")
    def write() -> None:
        raise fault

    with problem(Api(fresh, None)("GET", "/writing"), 500, "internal_error"):
        pass
    assert get(fresh, None, "/writing").status_code == 500
