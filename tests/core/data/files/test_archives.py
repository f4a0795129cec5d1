"""Zip and tar archives: what is unsafe, damaged or too large is refused."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from primesvt_core.data.files import archives
from tests.support.data_files import (
    refused,
    zipped,
)


@pytest.mark.parametrize("name", ["../cat/0.png", "/cat/0.png", "cat\\0.png"])
def test_members_that_lead_out_of_an_archive_are_refused(name: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        entry = tarfile.TarInfo(name)
        archive.addfile(entry, io.BytesIO())
    refused(tmp_path / "set.tar", "data_unsafe", "no plain file")


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        entry = tarfile.TarInfo("cat/0.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    refused(tmp_path / "set.tar", "data_unsafe", "0.png")


def test_a_damaged_member_of_a_zip_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path)
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    content = bytearray(path.read_bytes())
    content[first.header_offset + 80] ^= 0xFF
    path.write_bytes(content)
    refused(path, "data_undecodable", first.filename)


def test_a_zip_with_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 46] = 0
    path.write_bytes(content)
    refused(path, "data_unsafe", "no plain file")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, "data_format", "password")


def test_archives_that_unpack_to_far_more_than_they_are_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    blank = {"images": np.zeros((900, 64, 64), np.uint8), "labels": np.zeros(900, np.int64)}
    np.savez_compressed(tmp_path / "bomb.npz", **blank)  # type: ignore[arg-type]
    refused(tmp_path / "bomb.npz", "data_unsafe", "bomb.npz")
    zeros = tmp_path / "zeros"
    zeros.write_bytes(bytes(8 << 20))
    with tarfile.open(tmp_path / "bomb.tar.xz", "w:xz") as archive:
        for number in range(3):
            archive.add(zeros, f"cat/{number}.png")
    refused(tmp_path / "bomb.tar.xz", "data_unsafe", "bomb.tar.xz")
    header = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 900, 64, 64) + bytes(900 * 4096), mtime=0)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(header)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(header)
    refused(tmp_path / "t10k-images-idx3-ubyte.gz", "data_unsafe", "t10k-images-idx3-ubyte.gz")


def test_a_header_without_bound_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar.xz", "w:xz", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("x" * (archives.MAX_HEADER_BYTES + 1)))
    refused(tmp_path / "set.tar.xz", "data_unsafe", "header")
