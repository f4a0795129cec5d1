"""Files in pieces."""

from __future__ import annotations

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
