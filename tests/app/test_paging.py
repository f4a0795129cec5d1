"""Pages of a list."""

from __future__ import annotations

import pytest

from app.errors import InvalidCursor
from app.paging import decode, page

IDS = [f"job_{number:026d}" for number in range(5)]


@pytest.mark.parametrize(("found", "has_more"), [(0, False), (2, False), (3, False), (4, True)])
def test_a_page_names_the_next_one_only_where_there_is_one(found: int, has_more: bool) -> None:
    shown = page(IDS[:found], 3, IDS[:found])
    assert shown.items == tuple(IDS[: min(found, 3)])
    assert (shown.next_cursor is not None) is has_more


def test_a_cursor_stands_behind_the_last_row_and_belongs_to_its_list() -> None:
    cursor = page(IDS[:4], 3, IDS[:4]).next_cursor
    assert cursor is not None
    assert decode(cursor, "job") == IDS[2]
    with pytest.raises(InvalidCursor):
        decode(cursor, "upl")
