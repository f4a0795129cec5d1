"""Cells of one run for another: the same inputs only, whole files only."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from primesvt_core.workspace import reuse
from primesvt_core.workspace.reuse import read_cells, write_cells
from primesvt_core.workspace.store import Workspace

INPUTS: dict[str, JsonValue] = {"checkpoint": "a1", "splits": {"search_images": 60}}
CELLS: dict[str, JsonValue] = {"search-1/aa/0": {"right": "01"}, "order": [1, 0]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_cells(INPUTS, CELLS, tmp_path / reuse.FILE)
    return tmp_path / reuse.FILE


def test_the_same_inputs_find_every_cell(file: Path) -> None:
    assert read_cells(file, json.loads(json.dumps(INPUTS))) == CELLS


@pytest.mark.parametrize("inputs", [{}, {**INPUTS, "checkpoint": "b2"}, {**INPUTS, "seed": 1}])
def test_other_inputs_find_none(inputs: dict[str, JsonValue], file: Path) -> None:
    assert read_cells(file, inputs) == {}


def test_the_same_cells_are_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_cells(INPUTS, CELLS, tmp_path / "again.gz")
    assert (tmp_path / "again.gz").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("line", ["[]", "{", '{"key": 1, "value": 0}', '{"key": "a"}', "\xff"])
def test_a_damaged_file_holds_nothing(line: str, tmp_path: Path) -> None:
    text = json.dumps({"inputs": INPUTS}) + "\n" + line + "\n"
    (tmp_path / "damaged.gz").write_bytes(gzip.compress(text.encode("latin-1")))
    assert read_cells(tmp_path / "damaged.gz", INPUTS) == {}


def test_a_file_that_ends_early_holds_nothing(file: Path, tmp_path: Path) -> None:
    for content in (b"", b"no gzip", file.read_bytes()[:-9]):
        (tmp_path / "cut.gz").write_bytes(content)
        assert read_cells(tmp_path / "cut.gz", INPUTS) == {}
    assert read_cells(tmp_path / "absent.gz", INPUTS) == {}


def test_a_file_that_unpacks_to_too_much_holds_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "CHUNK", 16)
    monkeypatch.setattr(reuse, "LARGEST_BYTES", 32)
    assert read_cells(file, INPUTS) == {}


def test_an_offered_cell_is_known_once_it_was_asked_for(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.reuse({"a": "01", "b": "11"})
    assert not workspace.knows("a")
    assert workspace.recall("a", pytest.fail) == "01"
    workspace.take_over(["b", "c"])
    assert (workspace.knows("b"), workspace.knows("c")) == (True, False)
    assert Workspace(tmp_path).cells() == {"a": "01", "b": "11"}
