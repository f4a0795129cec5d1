"""The example as uploads of a team's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.catalog.example import add_example
from app.catalog.states import UploadKind, UploadState
from app.errors import NotFound
from app.example_files import EXAMPLES, FILES, is_there
from tests.support.shop import Shop


def test_a_team_gets_it_once_and_whole(shop: Shop) -> None:
    first = add_example(shop.catalog, shop.team)
    assert {kind: (upload.name, upload.state) for kind, upload in first.items()} == {
        kind: (name, UploadState.STORED) for kind, name in FILES.items()
    }
    size = (EXAMPLES / FILES[UploadKind.CHECKPOINT]).stat().st_size
    assert (first[UploadKind.CHECKPOINT].size_bytes, is_there()) == (size, True)
    again = add_example(shop.catalog, shop.team)
    assert [upload.id for upload in again.values()] == [upload.id for upload in first.values()]


def test_where_it_was_not_installed_there_is_none(shop: Shop, tmp_path: Path) -> None:
    assert not is_there(tmp_path)
    with pytest.raises(NotFound, match="without the example"):
        add_example(shop.catalog, shop.team, tmp_path)
