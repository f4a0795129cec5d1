"""Files with arrays: what they declare is checked before it is allocated."""

from __future__ import annotations

import io
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from primesvt_core.data.formats.array_files import MAX_ARRAY_BYTES, ArrayFile
from primesvt_core.errors import DataError
from tests.support.data_files import IMAGES, LABELS, npz, refused


def test_arrays_are_read_from_files_and_from_bytes(tmp_path: Path) -> None:
    path = npz(IMAGES)(tmp_path)
    for content in (path, path.read_bytes()):
        file = ArrayFile("set.npz", content)
        assert file.names() == ["images", "labels"]
        np.testing.assert_array_equal(file.read("images"), IMAGES)
        with pytest.raises(DataError, match=r"frames in set\.npz cannot be read"):
            file.read("frames")


def test_what_arrays_declare_is_parsed_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python 3.11 has one state of its parser of literals for all of them."""
    file, parsing = ArrayFile("set.npz", npz(IMAGES)(tmp_path)), list[int]()
    parse, most = npy.read_array_header_1_0, list[int]()

    def slowly(member: io.BytesIO) -> object:
        parsing.append(1)
        most.append(len(parsing))
        time.sleep(0.01)
        parsing.pop()
        return parse(member)

    monkeypatch.setattr(npy, "read_array_header_1_0", slowly)
    with ThreadPoolExecutor(4) as threads:
        assert len([*threads.map(file.read, ["images"] * 8)]) == 8
    assert max(most) == 1


def with_header(path: Path, shape: tuple[int, ...]) -> Path:
    header, labels = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    np.save(labels, LABELS)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
        archive.writestr("labels.npy", labels.getvalue())
    return path


def test_an_array_that_declares_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    refused(with_header(tmp_path / "set.npz", (6, 1 << 15, 1 << 15)), "data_undecodable", "cut short")
    refused(with_header(tmp_path / "set.npz", (6, MAX_ARRAY_BYTES)), "data_unsafe", "not accepted")


def test_arrays_of_the_same_name_are_refused(tmp_path: Path) -> None:
    path = npz(IMAGES)(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("labels.npy", archive.read("labels.npy"))
    refused(path, "data_format", "several arrays of the same name")
