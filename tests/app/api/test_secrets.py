"""What is logged of an error holds no secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db import connect
from app.logs import formatter
from app.storage import StoreUnavailable
from tests.support.api import Api
from tests.support.dashboard import Dashboard
from tests.support.databases import KINDS, fresh_url

SECRET = "whsec_only_once_told"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_statement_does_not_tell_what_it_would_have_written(kind: str, tmp_path: Path) -> None:
    with fresh_url(kind, tmp_path) as url:
        database = connect(url)
        with pytest.raises(DBAPIError) as failure, database.session() as session:
            session.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": SECRET})
        assert "nowhere" in str(failure.value)
        assert SECRET not in str(failure.value)
        database.engine.dispose()


@pytest.mark.parametrize("fault", [RuntimeError("broken"), StoreUnavailable("away")])
def test_a_request_that_failed_is_logged_without_the_secret_of_its_address(
    board: Dashboard, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    @board.app.get("/links/{secret}")
    def follow(secret: str) -> None:
        raise fault

    with caplog.at_level(logging.INFO):
        assert Api(board, None)("GET", f"/links/{SECRET}").status_code in (500, 503)
    told = [formatter(as_json=True).format(record) for record in caplog.records if record.name.startswith("app")]
    assert any('"route": "/links/{secret}"' in line and "_failed" in line for line in told), told
    assert not [line for line in told if SECRET in line]
