"""What lies below a folder: links followed, in order, and nothing left out in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from primesvt_client.errors import Unusable
from primesvt_client.folders import walk


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def below(root: Path) -> list[str]:
    return [(one.path / name).relative_to(root).as_posix() for one in walk(root) for name in (*one.files, "")]


def test_folders_come_before_what_is_in_them_by_name(tmp_path: Path) -> None:
    made(tmp_path, "b/2", "b/1", "a/deep/1", "c", ".hidden/1", "__MACOSX/1", "a/.DS_Store")
    (tmp_path / "empty").mkdir()
    assert below(tmp_path) == ["c", ".", "a", "a/deep/1", "a/deep", "b/1", "b/2", "b", "empty"]


def test_links_are_followed_to_files_and_folders(tmp_path: Path) -> None:
    made(tmp_path, "store/cat/1", "set/dog/1")
    (tmp_path / "set" / "cat").symlink_to("../store/cat")
    (tmp_path / "set" / "dog" / "2").symlink_to("../../store/cat/1")
    assert below(tmp_path / "set") == [".", "cat/1", "cat", "dog/1", "dog/2", "dog"]


@pytest.mark.parametrize("to", ["..", ".", "../..", "../../set/cat"])
def test_a_link_that_leads_back_is_refused(to: str, tmp_path: Path) -> None:
    made(tmp_path, "set/cat/1")
    (tmp_path / "set" / "cat" / "again").symlink_to(to)
    with pytest.raises(Unusable, match=r"again.* leads back"):
        below(tmp_path / "set")


def test_a_link_that_leads_to_nothing_is_refused(tmp_path: Path) -> None:
    made(tmp_path, "set/cat/1")
    (tmp_path / "set" / "dog").symlink_to("../store/dog")
    with pytest.raises(Unusable, match="dog leads to nothing"):
        below(tmp_path / "set")


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "set/cat/1", "set/dog/1")
    scandir = os.scandir

    def denied(path: Path) -> object:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(Unusable, match="dog cannot be read"):
        below(tmp_path / "set")


def test_what_is_neither_a_file_nor_a_folder_is_left_out(tmp_path: Path) -> None:
    made(tmp_path, "cat/1")
    os.mkfifo(tmp_path / "cat" / "pipe")
    assert below(tmp_path) == [".", "cat/1", "cat"]
