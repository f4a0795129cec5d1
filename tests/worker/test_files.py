"""Files in pieces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker import files


@pytest.mark.parametrize(("size", "pieces"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_a_file_comes_in_pieces(size: int, pieces: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 4)
    (tmp_path / "file").write_bytes(bytes(range(size)))
    found = [*files.chunks(tmp_path / "file")]
    assert [len(piece) for piece in found] == pieces
    assert b"".join(found) == bytes(range(size))


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model").write_text("x")
    (tmp_path / "out" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "out" / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "out" / "pipe")
    assert files.plain_files(tmp_path / "out") == [tmp_path / "out" / "model"]
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            next(files.chunks(tmp_path / "out" / name))
