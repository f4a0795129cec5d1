"""What a run remembers: whole cells only, for the same inputs only."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue
from safetensors.numpy import save_file

from primesvt_client.spec import CompressionSpec
from primesvt_core.errors import WorkspaceMismatch
from primesvt_core.workspace.atomic import tensor_file, whole_file, write_atomically
from primesvt_core.workspace.store import CELLS, INPUTS, Workspace, kept_preset


def never() -> str:
    raise AssertionError("it was remembered")


def test_a_cell_is_computed_once(tmp_path: Path) -> None:
    assert Workspace(tmp_path).recall("a", lambda: "0101") == "0101"
    again = Workspace(tmp_path)
    assert again.recall("a", never) == "0101"
    assert again.recall("b", lambda: [1]) == [1]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_line_that_a_kill_cut_short_is_computed_again(cut: int, tmp_path: Path) -> None:
    first = Workspace(tmp_path)
    first.recall("a", lambda: "0101")
    first.recall("b", lambda: "0000")
    content = (tmp_path / CELLS).read_bytes()
    (tmp_path / CELLS).write_bytes(content[:-cut])
    again = Workspace(tmp_path)
    assert again.recall("a", never) == "0101"
    assert again.recall("b", lambda: "1111") == "1111"
    assert Workspace(tmp_path).recall("b", never) == "1111"


def test_a_workspace_is_bound_to_its_inputs(tmp_path: Path) -> None:
    Workspace(tmp_path).bind({"seed": 0, "data set": "x"})
    Workspace(tmp_path).bind({"seed": 0, "data set": "x"})
    with pytest.raises(WorkspaceMismatch, match="another data set, seed"):
        Workspace(tmp_path).bind({"seed": 1, "data set": "y"})


def stored(folder: Path, **spec: object) -> JsonValue:
    """A workspace with a spec as it was stored before there were presets, and the spec as it is stored now."""
    now = CompressionSpec.model_validate({"budget": {"max_accuracy_drop": 0.03}, "preset": "paper", **spec})
    document = now.model_dump(mode="json")
    before = {name: value for name, value in document.items() if name not in NEW}
    before["budget"] = {name: value for name, value in document["budget"].items() if name != "max_macs"}
    (folder / INPUTS).write_text(json.dumps({"spec": before}))
    found: JsonValue = document
    return found


NEW = ("preset", "repair", "max_rates", "channel_multiple")


def test_a_run_from_before_presets_goes_on_as_the_papers(tmp_path: Path) -> None:
    spec = stored(tmp_path, seed=3)
    assert kept_preset(tmp_path) == "paper"
    Workspace(tmp_path).bind({"spec": spec})
    for other in ({"preset": "deep", "seed": 3}, {"preset": "paper", "seed": 4}):
        document = CompressionSpec.model_validate({"budget": {"max_accuracy_drop": 0.03}, **other})
        with pytest.raises(WorkspaceMismatch, match="another spec"):
            Workspace(tmp_path).bind({"spec": document.model_dump(mode="json")})


def test_the_preset_of_a_run_is_the_one_that_it_was_bound_with(tmp_path: Path) -> None:
    assert kept_preset(tmp_path) is None
    spec = CompressionSpec.model_validate({"budget": {"max_accuracy_drop": 0.03}, "preset": "deep"})
    Workspace(tmp_path).bind({"spec": spec.model_dump(mode="json")})
    assert kept_preset(tmp_path) == "deep"
    Workspace(tmp_path).bind({"spec": spec.model_dump(mode="json")})


def test_a_stored_spec_that_means_nothing_is_another(tmp_path: Path) -> None:
    (tmp_path / INPUTS).write_text(json.dumps({"spec": {"colour": 1}}))
    with pytest.raises(WorkspaceMismatch, match="another spec"):
        Workspace(tmp_path).bind({"spec": {"budget": {}}})


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1'])
def test_damaged_inputs_are_told(content: str, tmp_path: Path) -> None:
    (tmp_path / INPUTS).write_text(content)
    with pytest.raises(WorkspaceMismatch, match="is damaged"):
        Workspace(tmp_path).bind({"a": 1})


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def _write_and_stop(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(b"tw")
        raise KeyboardInterrupt


def test_a_file_that_could_not_be_finished_leaves_the_last_one(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    with pytest.raises(KeyboardInterrupt):
        _write_and_stop(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def _new_files_for(mask: int, path: Path) -> int:
    """The mode of a file of tensors written under a umask."""
    before = os.umask(mask)
    try:
        with tensor_file(path) as temporary:
            save_file({"a": np.ones(1)}, temporary)
    finally:
        os.umask(before)
    return stat.S_IMODE(path.stat().st_mode)


def test_who_may_read_a_file_of_tensors_is_who_may_read_any_new_file(tmp_path: Path) -> None:
    assert _new_files_for(0o022, tmp_path / "a.safetensors") == 0o644
    assert _new_files_for(0o077, tmp_path / "a.safetensors") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("line", ["7", "{}", "[1, 2]", '{"key": []', '{"key": ["x"], "value": 1}'])
def test_a_line_that_is_no_cell_ends_what_is_remembered(line: str, tmp_path: Path) -> None:
    Workspace(tmp_path).recall("a", lambda: 1)
    with (tmp_path / CELLS).open("a") as file:
        file.write(line + "\n")
    again = Workspace(tmp_path)
    assert again.recall("a", never) == 1
    again.recall("b", lambda: 2)
    assert Workspace(tmp_path).recall("b", never) == 2
