"""The database connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db import connect
from tests.support.databases import KINDS, fresh_url

SECRET = "whsec_only_once_told"


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_statement_does_not_tell_what_it_would_have_written(kind: str, tmp_path: Path) -> None:
    with fresh_url(kind, tmp_path) as url:
        database = connect(url)
        with pytest.raises(DBAPIError) as failure, database.session() as session:
            session.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": SECRET})
        assert "nowhere" in str(failure.value)
        assert SECRET not in str(failure.value)
        database.engine.dispose()
