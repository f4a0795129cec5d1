"""What is left of a run that was refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_core.errors import DataError, SpecError
from primesvt_core.workspace.results import cells_of, cleared_if_refused, workspace_below


def test_a_refusal_leaves_nothing_unless_the_run_was_to_be_resumed(tmp_path: Path) -> None:
    workspace = tmp_path / "out" / "workspace"
    workspace.mkdir(parents=True)
    for resume, is_left in ((True, True), (False, False)):
        with pytest.raises(DataError), cleared_if_refused(workspace, with_parent=True, resume=resume):
            raise DataError("no")
        assert workspace.parent.exists() is is_left


def test_what_fails_for_another_reason_can_be_gone_on_with(tmp_path: Path) -> None:
    workspace = tmp_path / "out" / "workspace"
    workspace.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), cleared_if_refused(workspace, with_parent=True, resume=False):
        raise KeyboardInterrupt
    assert workspace.exists()


def test_a_folder_with_something_in_it_is_for_resuming_alone(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(SpecError, match="not empty"):
        workspace_below(tmp_path, resume=False)
    assert workspace_below(tmp_path, resume=True) == tmp_path / "workspace"
    with pytest.raises(SpecError, match="is a file"):
        workspace_below(tmp_path / "report.json", resume=True)
    with pytest.raises(SpecError, match="has no cells"):
        cells_of([tmp_path])
