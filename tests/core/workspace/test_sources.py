"""Where a run's inputs lie, kept and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_core.workspace.sources import FILE, Sources, keep_sources, kept_sources


def test_paths_are_kept_whole_and_what_there_was_not_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep_sources(tmp_path / "workspace", Sources(checkpoint=Path("a.pth"), data=tmp_path / "b.npz"))
    found = kept_sources(tmp_path / "workspace")
    assert found == Sources(checkpoint=tmp_path.resolve() / "a.pth", data=tmp_path.resolve() / "b.npz", train_data=None)


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"checkpoint": 3}', b"\xff"])
def test_what_is_damaged_or_was_never_kept_says_nothing(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert kept_sources(tmp_path) == Sources()
