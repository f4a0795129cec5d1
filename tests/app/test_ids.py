"""Ids of rows: unique, of one form, in the order in which they were made."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ulid import ULID

from app.ids import new_id
from app.paging import ROW_ID


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    made = [new_id("job") for _ in range(5000)]
    assert made == sorted(set(made))
    assert all(ROW_ID.fullmatch(one) and one.startswith("job_") for one in made)


def test_ids_of_many_threads_are_unique() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [*threads.map(lambda _: [new_id("job") for _ in range(500)], range(8))]
    assert all(some == sorted(some) for some in made)
    assert len({one for some in made for one in some}) == 4000


def test_an_id_tells_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    moment = ULID.from_str(new_id("job").removeprefix("job_").upper()).milliseconds
    assert before <= moment <= time.time_ns() // 1_000_000


def test_a_clock_that_is_set_back_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id("job")
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert new_id("job") > first
