"""A profile that is shared ends as one that is not, whoever computes which cell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from primesvt_core.types import Rates
from primesvt_core.workspace.sharing import COMMON, Assignment, assist, share
from primesvt_core.workspace.store import Workspace

BLOCKS = 3
CANDIDATES: list[Rates] = [{"group": number / 10} for number in range(8)]


def keys_of(rates: Rates) -> list[str]:
    return [f"search/{rates['group']}/{block}" for block in range(BLOCKS)]


CELLS: dict[str, Rates] = {key: rates for rates in CANDIDATES for key in keys_of(rates)}


def value(key: str) -> str:
    return key.upper()


class Scripted:
    """A queue that assigns cells, or gives back their results, as a script has it."""

    def __init__(self, script: list[int]) -> None:
        self.script, self.left = script, dict[str, Rates]()

    def publish(self, cells: Mapping[str, Rates]) -> None:
        self.left = dict(cells)

    def next_batch(self) -> Assignment:
        to_compute: dict[str, Rates] = {}
        results: dict[str, JsonValue] = {}
        choice = self.script.pop() if self.script else 0
        if self.left:
            key = [*self.left][choice % len(self.left)]
            rates = self.left.pop(key)
            if choice % 2:
                results[key] = value(key)
            else:
                to_compute[key] = rates
        return Assignment(to_compute=to_compute, results=results)


@given(script=st.lists(st.integers(0, 100), max_size=10), known=st.sets(st.sampled_from([*CELLS])))
def test_every_cell_has_its_value_and_none_is_computed_twice(
    tmp_path_factory: pytest.TempPathFactory, script: list[int], known: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("w")
    workspace, computed = Workspace(folder), list[str]()
    workspace.learn({key: value(key) for key in known})

    def compute(cells: Mapping[str, Rates]) -> None:
        assert all(rates == CELLS[key] for key, rates in cells.items())
        computed.extend(cells)
        workspace.learn({key: value(key) for key in cells})

    share(CELLS, workspace, compute, Scripted(script))
    assert {key: workspace.recall(key, lambda: None) for key in CELLS} == {key: value(key) for key in CELLS}
    assert len(computed) == len(set(computed))
    assert {*computed}.isdisjoint(known)
    again = Workspace(folder)
    assert all(again.knows(key) for key in CELLS)


def test_cells_that_an_empty_queue_does_not_give_are_computed_here(tmp_path: Path) -> None:
    class Empty:
        def publish(self, cells: Mapping[str, Rates]) -> None:
            pass

        def next_batch(self) -> Assignment:
            return Assignment()

    workspace = Workspace(tmp_path)
    share(CELLS, workspace, lambda cells: workspace.learn(dict.fromkeys(cells, "here")), Empty())
    assert all(workspace.recall(key, lambda: None) == "here" for key in CELLS)


def test_assisting_computes_every_assigned_cell_until_none_is_left(tmp_path: Path) -> None:
    queue, computed = Scripted([0, 2, 4]), list[str]()
    queue.publish(CELLS)
    assert assist(computed.extend, Workspace(tmp_path), queue) == len(CELLS)
    assert sorted(computed) == sorted(CELLS)


def test_what_all_must_have_the_same_is_known_before_anything_is_computed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    given: dict[str, JsonValue] = {"order": [1, 0], "scores/l2/group": [0.5, 0.25]}
    assert all(key.startswith(COMMON) for key in given)
    assert not any(key.startswith(COMMON) for key in CELLS)

    class Sending:
        def __init__(self) -> None:
            self.left = [Assignment(to_compute=CELLS, results=given)]

        def publish(self, cells: Mapping[str, Rates]) -> None:
            raise AssertionError("a helper publishes nothing")

        def next_batch(self) -> Assignment:
            return self.left.pop() if self.left else Assignment()

    def compute(cells: Mapping[str, Rates]) -> None:
        assert {key: workspace.recall(key, lambda: None) for key in given} == given
        assert cells == CELLS

    assert assist(compute, workspace, Sending()) == len(CELLS)
