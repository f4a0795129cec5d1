"""Parquet files as Hugging Face publishes them: which files, which columns, which names."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from primesvt_client.packing import as_file
from primesvt_core.data import open_data
from primesvt_core.data.files import archives
from primesvt_core.errors import DataError
from tests.support.data_files import CLASSES, IMAGES, LABELS, refused, samples


def encoded(image: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


FILES = [encoded(image) for image in IMAGES]
IN_STRUCTS = [{"bytes": content, "path": f"{number}.png"} for number, content in enumerate(FILES)]


def features(**classes: Sequence[str]) -> dict[str, str]:
    named = {name: {"names": [*names], "_type": "ClassLabel"} for name, names in classes.items()}
    return {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, **named}}})}


def written(path: Path, metadata: dict[str, str] | None = None, rows: int = 4, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=rows, write_page_checksum=True)
    return path


def published(path: Path, rows: slice = slice(None)) -> Path:
    return written(path, features(label=CLASSES), image=IN_STRUCTS[rows], label=LABELS[rows])


def test_a_file_with_pictures_labels_and_names(tmp_path: Path) -> None:
    data = open_data(published(tmp_path / "test-00000-of-00001.parquet"))
    assert (data.classes, data.notes) == (CLASSES, ())
    np.testing.assert_array_equal(data.labels, LABELS)
    np.testing.assert_array_equal(samples(data), IMAGES)
    again = open_data(published(tmp_path / "renamed.parquet"))
    assert again.fingerprint() == data.fingerprint()


@pytest.mark.parametrize(
    "columns",
    [
        {"image": FILES, "label": LABELS},
        {"img": IN_STRUCTS, "label": LABELS.astype(np.uint8)},
        {"image": pa.array(FILES, pa.large_binary()), "class": LABELS},
    ],
)
def test_columns_are_found_by_what_they_hold(columns: dict[str, Any], tmp_path: Path) -> None:
    data = open_data(written(tmp_path / "set.parquet", **columns))
    assert data.classes == ("0", "1", "2")
    np.testing.assert_array_equal(samples(data), IMAGES)


def test_labels_that_are_counted_from_1_are_noted(tmp_path: Path) -> None:
    [note] = open_data(written(tmp_path / "set.parquet", image=FILES, label=LABELS + 1)).notes
    assert "go from 1 to 3" in note


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    both = features(fine_label=CLASSES, coarse_label=["animal"])
    cifar100: dict[str, Any] = {"img": IN_STRUCTS, "fine_label": LABELS, "coarse_label": LABELS * 0, "text": ["a"] * 6}
    data = open_data(written(tmp_path / "set.parquet", both, **cifar100))
    assert data.classes == CLASSES
    assert data.notes == ("set.parquet has coarse_label, text, too; img and fine_label were read.",)


def folder(root: Path) -> Path:
    """Training data in two files, test data in one."""
    published(root / "data" / "train-00000-of-00002.parquet", slice(4))
    published(root / "data" / "train-00001-of-00002-0123456789abcdef.parquet", slice(4, 6))
    published(root / "data" / "test-00000-of-00001.parquet", slice(0, 6, 2))
    (root / "README.md").write_text("a data set")
    return root


def test_parts_are_told_apart_and_the_files_of_each_put_together(tmp_path: Path) -> None:
    data, training = (open_data(folder(tmp_path / "set"), part) for part in ("test", "train"))
    assert (data.name, training.name) == ("set (test part)", "set (train part)")
    np.testing.assert_array_equal(samples(data), IMAGES[::2])
    np.testing.assert_array_equal(samples(training), IMAGES)


def test_parts_may_be_folders(tmp_path: Path) -> None:
    for part, rows in (("train", slice(6)), ("test", slice(0, 6, 2))):
        published(tmp_path / "set" / "default" / part / "0000.parquet", rows)
    assert len(open_data(tmp_path / "set")) == 3
    with as_file(tmp_path / "set") as (packed, _):
        assert len(open_data(packed)) == 3
        assert len(open_data(packed, part="train")) == 6
    (tmp_path / "set" / "default" / "test" / "0000.parquet").unlink()
    assert open_data(tmp_path / "set").notes == ("set has no test data: its train part was read.",)


def test_a_folder_opens_the_same_when_it_was_packed(tmp_path: Path) -> None:
    wanted = open_data(folder(tmp_path / "set"))
    with as_file(tmp_path / "set") as (packed, _):
        found = open_data(packed)
        np.testing.assert_array_equal(samples(found), samples(wanted))
    assert found.fingerprint() == wanted.fingerprint()


def test_one_of_several_files_is_told(tmp_path: Path) -> None:
    folder(tmp_path)
    [note] = open_data(tmp_path / "data" / "train-00000-of-00002.parquet").notes
    assert "is one of 2 files" in note


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "data" / "train-00000-of-00002.parquet").unlink()
    assert len(open_data(tmp_path)) == 3
    with pytest.raises(DataError, match=r"train-00001-of-00002-0123456789abcdef\.parquet; all are needed"):
        open_data(tmp_path, part="train")


def test_several_data_sets_are_refused(tmp_path: Path) -> None:
    for name in ("mnist", "cifar"):
        published(tmp_path / name / "test-00000-of-00001.parquet")
    refused(tmp_path, "data_format", "several data sets (cifar, mnist)")
    published(tmp_path / "one" / "test.parquet")
    published(tmp_path / "one" / "more.parquet")
    refused(tmp_path / "one", "data_format", "files of parts and others")


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    published(tmp_path / "test-00000-of-00002.parquet")
    other = features(label=CLASSES[::-1])
    written(tmp_path / "test-00001-of-00002.parquet", other, image=IN_STRUCTS, label=LABELS)
    refused(tmp_path, "data_format", "different columns")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"image": IN_STRUCTS}, "it needs one"),
        ({"image": IN_STRUCTS, "label": ["cat"] * 6}, "it needs one"),
        ({"image": IN_STRUCTS, "mask": IN_STRUCTS, "label": LABELS}, "it needs one"),
        ({"image": IN_STRUCTS, "age": LABELS, "size": LABELS}, "it needs one"),
        ({"image": [[1, 2]] * 6, "label": LABELS}, "it needs one"),
        ({"image": [{"bytes": None, "path": "0.png"}] * 6, "label": LABELS}, "it needs one"),
        ({"image": [*IN_STRUCTS[:5], {"bytes": None, "path": "5.png"}], "label": LABELS}, "row 5 of set.parquet"),
        ({"image": IN_STRUCTS, "label": [*LABELS[:5].tolist(), None]}, "row 5 of set.parquet has no label"),
    ],
)
def test_columns_that_are_not_clear_are_refused(columns: dict[str, Any], told: str, tmp_path: Path) -> None:
    refused(written(tmp_path / "set.parquet", **columns), "data_format", told)


def test_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", features(label=CLASSES[:2]), image=IN_STRUCTS, label=LABELS)
    refused(path, "data_classes", "the label 2; that is no class")
    refused(written(path, image=IN_STRUCTS, label=LABELS - 1), "data_classes", "negative")


@pytest.mark.parametrize(
    "metadata", [{"huggingface": "{"}, {"huggingface": "[]"}, {"huggingface": '{"info": 1}'}, None]
)
def test_metadata_that_name_nothing_name_nothing(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", metadata, image=IN_STRUCTS, label=LABELS)
    assert open_data(path).classes == ("0", "1", "2")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = published(tmp_path / "set.parquet")
    content = path.read_bytes()
    for start in (4, 41):
        path.write_bytes(content[:start] + bytes(20) + content[start + 20 :])
        with pytest.raises(DataError):
            samples(open_data(path))
    path.write_bytes(content[: len(content) // 2])
    refused(path, "data_format", "no data set that PrimeSVT understands")


def test_a_picture_repeated_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 10)
    monkeypatch.setattr(archives, "MAX_GROWTH", 2)
    path = written(tmp_path / "set.parquet", rows=400, image=[bytes(4096)] * 400, label=[0] * 400)
    refused(path, "data_unsafe", "set.parquet")


def test_pyarrow_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = published(tmp_path / "set.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(path, "data_format", "pip install 'primesvt[parquet]'")
