"""The list of what a child may reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker import reachable
from worker.protocol import Request, Sandbox, ValidateData


def test_what_the_service_keeps_stays_closed_where_it_lies_in_an_open_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, hidden = tmp_path / "opened", tmp_path / "opened" / "share" / "data"
    hidden.mkdir(parents=True)
    for name in ("lib", "share/other"):
        (opened / name).mkdir()
    (opened / "way-round").symlink_to(hidden)
    monkeypatch.setattr(reachable, "_software", lambda: iter([opened]))
    request = Request(task=ValidateData(path=hidden / "input"), sandbox=Sandbox(hidden=(hidden,)))
    files = reachable.files_for(request, tmp_path / "own")
    assert files.readable == [opened / "lib", opened / "share" / "other", hidden / "input"]
    assert files.writable == [tmp_path / "own"]


def test_of_a_checkout_on_the_path_only_its_packages_are_open(tmp_path: Path) -> None:
    for name in ("package/__init__.py", "module.py", ".env", "data/secret", "thing-1.dist-info/RECORD", ".hidden/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = {path.name for path in reachable._packages(tmp_path)}
    assert found == {"package", "module.py", "thing-1.dist-info"}
