"""A folder as one archive: all that is in it, the same bytes for the same content."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from primesvt_client.errors import Unusable
from primesvt_client.packing import as_file, pack


def packed(folder: Path, target: Path) -> dict[str, bytes | None]:
    """Names in the archive with their content; None for folders."""
    pack(folder, target)
    with tarfile.open(target) as archive:
        opened = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name: content.read() if content else None for name, content in opened.items()}


def test_linked_files_and_folders_are_packed_with_their_content(tmp_path: Path) -> None:
    (tmp_path / "store" / "cat").mkdir(parents=True)
    (tmp_path / "store" / "cat" / "1").write_bytes(b"cat")
    (tmp_path / "set" / "dog").mkdir(parents=True)
    (tmp_path / "set" / "cat").symlink_to("../store/cat")
    (tmp_path / "set" / "dog" / "1").symlink_to("../../store/cat/1")
    assert packed(tmp_path / "set", tmp_path / "packed.tar") == {"cat/1": b"cat", "dog/1": b"cat"}


def test_empty_folders_are_packed_and_hidden_files_are_not(tmp_path: Path) -> None:
    for folder in ("set/cat", "set/dog", "set/.cache"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "set" / "cat" / "1").write_bytes(b"cat")
    (tmp_path / "set" / "dog" / ".DS_Store").write_bytes(b"of another system")
    assert packed(tmp_path / "set", tmp_path / "packed.tar") == {"cat/1": b"cat", "dog": None}


def test_the_same_content_packs_to_the_same_bytes(tmp_path: Path) -> None:
    for copy, names in (("a", "123"), ("b", "321")):
        (tmp_path / copy / "cat").mkdir(parents=True)
        for name in names:
            (tmp_path / copy / "cat" / name).write_text(name)
        pack(tmp_path / copy, tmp_path / f"{copy}.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    with pytest.raises(Unusable, match="has no files"):
        pack(tmp_path / "set", tmp_path / "packed.tar")
    with pytest.raises(Unusable, match="no file or folder"), as_file(tmp_path / "nowhere"):
        pass
