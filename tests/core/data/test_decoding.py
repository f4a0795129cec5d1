"""Everything that may ever be decoded of a data set is decoded once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from primesvt_core.data import decode_all, open_data
from primesvt_core.data.formats import parquet
from primesvt_core.data.pixels import images
from primesvt_core.errors import DataError
from tests.core.data.formats.test_parquet import published
from tests.support import data_files
from tests.support.data_files import IMAGES


def looked_into(path: Path) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    return decode_all(path, open_data(path), lambda done, of: told.append((done, of))), told


def test_every_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen, decode = data_files.folder(tmp_path), Counter[str](), images.pixels_of

    def counting(name: str, picture: Any) -> Any:
        seen[name] += 1
        return decode(name, picture)

    monkeypatch.setattr(images, "pixels_of", counting)
    notes, told = looked_into(path)
    assert (notes, told[-1]) == ((), (len(IMAGES), len(IMAGES)))
    assert (len(seen), {*seen.values()}) == (len(IMAGES), {1})


def test_the_last_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = data_files.folder(tmp_path)
    (path / "eel" / "5.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"eel/5\.png") as refused:
        looked_into(path)
    assert refused.value.error_code == "data_undecodable"


def test_pictures_of_another_part_are_decoded_too_and_noted(tmp_path: Path) -> None:
    path = data_files.folder(tmp_path, "test")
    data_files.folder(tmp_path, "train")
    assert looked_into(path) == ((), [(n, len(IMAGES)) for n in range(1, 7)] + [(n, n) for n in range(7, 13)])
    (path / "train" / "dog" / "2.png").write_bytes(b"no picture")
    [note], _ = looked_into(path)
    assert "that are not read, 1 cannot be decoded" in note
    assert "train/dog/2.png" in note


def test_files_of_another_part_are_opened_for_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of Parquet are read part by part."""
    published(tmp_path / "set" / "test-00000-of-00001.parquet", slice(0, 2))
    published(tmp_path / "set" / "train-00000-of-00001.parquet")
    seen: list[bytes] = []

    def noting(name: str, content: bytes) -> Any:
        seen.append(content)
        return images.decode_image(name, content)

    monkeypatch.setattr(parquet, "decode_image", noting)
    _, told = looked_into(tmp_path / "set")
    assert len(told) == len(seen) == 2 + len(IMAGES)


def test_arrays_are_in_memory_already(tmp_path: Path) -> None:
    assert looked_into(data_files.npz(IMAGES)(tmp_path)) == ((), [])
