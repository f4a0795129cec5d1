"""A data folder has one service, and says where it listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.embedded.folder_lock import LOCK, EmbeddedError, address_of, locked

ADDRESS = "http://127.0.0.1:45678"


def test_the_address_is_there_while_the_service_is(tmp_path: Path) -> None:
    assert address_of(tmp_path) is None
    with locked(tmp_path) as note:
        assert address_of(tmp_path) is None  # it does not listen yet
        note(ADDRESS)
        assert address_of(tmp_path) == ADDRESS
    assert address_of(tmp_path) is None
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path) as note:
        assert address_of(tmp_path) is None  # not that of the one before


def test_a_second_service_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with locked(tmp_path) as note:
        note(ADDRESS)
        with pytest.raises(EmbeddedError, match="another PrimeSVT service") as refusal, locked(tmp_path):
            pass
        assert refusal.value.is_input
        assert address_of(tmp_path) == ADDRESS
