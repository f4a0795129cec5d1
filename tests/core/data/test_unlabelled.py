"""Data sets without labels: refused with what can be done, and read where labels may be missing."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from primesvt_core.data import (
    ClassOrder,
    check_classes,
    check_same_classes,
    decode_all,
    from_dataset,
    numbering,
    open_data,
    split,
)
from primesvt_core.errors import DataError
from primesvt_core.spec import SplitSizes
from tests.support.data_files import IMAGES, LABELS, folder, npz, samples

GREY = IMAGES[..., :1]


def flat(root: Path, below: str = "") -> Path:
    (root / "set" / below).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(root / "set" / below / f"{number}.png")
    return root / "set"


def zipped(root: Path) -> Path:
    with zipfile.ZipFile(root / "set.zip", "w") as archive:
        for file in sorted(flat(root).rglob("*.png")):
            archive.write(file, f"pictures/{file.name}")
    return root / "set.zip"


def tarred(root: Path) -> Path:
    with tarfile.open(root / "set.tar.gz", "w:gz") as archive:
        archive.add(flat(root), ".")
    return root / "set.tar.gz"


def arrays(root: Path) -> Path:
    np.savez(root / "set.npz", images=IMAGES)
    return root / "set.npz"


def array(root: Path) -> Path:
    np.save(root / "set.npy", IMAGES)
    return root / "set.npy"


def idx(root: Path) -> Path:
    with (root / "t10k-images-idx3-ubyte").open("wb") as file:
        file.write(struct.pack(">HBB3I", 0, 8, 3, *GREY.shape[:3]) + GREY.tobytes())
    return root


def parquet_file(root: Path) -> Path:
    contents = []
    for image in IMAGES:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    parquet.write_table(pa.table({"image": contents}), root / "set.parquet")
    return root / "set.parquet"


FORMATS: dict[str, tuple[Callable[[Path], Path], NDArray[np.uint8]]] = {
    "folder": (flat, IMAGES), "zip": (zipped, IMAGES), "tar": (tarred, IMAGES), "npz": (arrays, IMAGES),
    "npy": (array, IMAGES), "idx": (idx, GREY), "parquet": (parquet_file, IMAGES),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_without_labels_where_they_may_be_missing(kind: str, tmp_path: Path) -> None:
    make, wanted = FORMATS[kind]
    data = open_data(make(tmp_path), may_lack_labels=True)
    assert (data.is_labelled, data.classes, len(data), data.kind) == (False, (), 6, "images")
    np.testing.assert_array_equal(samples(data), wanted)
    assert "without labels" in " ".join(data.notes)
    assert decode_all(make(tmp_path), data) == ()


@pytest.mark.parametrize("kind", sorted({*FORMATS} - {"zip"}))  # whose folder could be a class
def test_without_that_it_is_refused_with_what_can_be_done(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--max-disagreement") as refusal:
        open_data(FORMATS[kind][0](tmp_path))
    assert refusal.value.error_code == "data_format"


def test_pictures_have_their_names(tmp_path: Path) -> None:
    assert open_data(flat(tmp_path), may_lack_labels=True).files == tuple(f"{number}.png" for number in range(6))
    assert open_data(arrays(tmp_path), may_lack_labels=True).files == ()
    labelled = open_data(folder(tmp_path / "labelled"))
    assert labelled.files == tuple(sorted(labelled.files))
    assert len(labelled.files) == 6


@pytest.mark.parametrize("make", [folder, npz(IMAGES)])
def test_labels_that_are_there_are_read(make: Callable[[Path], Path], tmp_path: Path) -> None:
    data = open_data(make(tmp_path), may_lack_labels=True)
    assert data.is_labelled
    np.testing.assert_array_equal(data.labels, LABELS)


def test_a_table_or_empty_folders_of_other_classes_tell_classes(tmp_path: Path) -> None:
    path = flat(tmp_path)
    (path / "labels.csv").write_text("".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(6)))
    assert open_data(path, may_lack_labels=True).classes == ("a", "b")
    path = flat(tmp_path / "beside", "cat")
    (path / "dog").mkdir()
    assert open_data(path, may_lack_labels=True).classes == ("cat", "dog")


def test_one_folder_alone_is_no_class_unless_it_is_listed(tmp_path: Path) -> None:
    path = flat(tmp_path, "cat")
    assert not open_data(path, may_lack_labels=True).is_labelled
    order = ClassOrder(names=("cat", "dog"), source="caller")
    assert open_data(path, None, order, may_lack_labels=True).classes == ("cat", "dog")


def test_pictures_beside_class_folders_are_refused_as_ever(tmp_path: Path) -> None:
    path = folder(tmp_path)
    Image.fromarray(IMAGES[0]).save(path / "loose.png")
    with pytest.raises(DataError, match=r"loose\.png in set is in no class folder") as refusal:
        open_data(path, may_lack_labels=True)
    assert "--max-disagreement" not in refusal.value.message


def test_frames_need_no_class_folders(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 3, (6, 4, 2, 8, 8)).astype(np.float32)
    (tmp_path / "set").mkdir()
    for number, sample in enumerate(frames):
        np.savez(tmp_path / "set" / f"{number}.npz", frames=sample)
    data = open_data(tmp_path / "set", may_lack_labels=True)
    assert (data.kind, data.is_labelled) == ("frames", False)
    np.testing.assert_array_equal(samples(data), frames)


def test_arrays_that_do_not_say_which_of_them_are_meant_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES, data=IMAGES)
    with pytest.raises(DataError, match="cannot be told"):
        open_data(tmp_path / "set.npz", may_lack_labels=True)


def test_a_damaged_array_is_refused(tmp_path: Path) -> None:
    content = array(tmp_path).read_bytes()
    (tmp_path / "set.npy").write_bytes(content[:-1])
    with pytest.raises(DataError) as refusal:
        open_data(tmp_path / "set.npy", may_lack_labels=True)
    assert refusal.value.error_code == "data_undecodable"
    np.save(tmp_path / "objects.npy", np.array([{}, None], object))
    with pytest.raises(DataError) as refusal:
        open_data(tmp_path / "objects.npy", may_lack_labels=True)
    assert refusal.value.error_code == "data_unsafe"


def test_python_objects_may_give_images_alone() -> None:
    for given in ([*IMAGES], [(image, 7) for image in IMAGES]):
        data = from_dataset(given, is_labelled=False)
        assert (data.is_labelled, data.classes) == (False, ())
        np.testing.assert_array_equal(samples(data), IMAGES)
        assert open_data(data, may_lack_labels=True) is data
        with pytest.raises(DataError, match="--max-disagreement") as refusal:
            open_data(data)
        assert refusal.value.error_code == "data_unlabelled"


def test_data_without_labels_fit_every_model_and_are_divided(tmp_path: Path) -> None:
    data = open_data(arrays(tmp_path), may_lack_labels=True)
    check_classes(data, 3)
    check_same_classes(data, open_data(folder(tmp_path)))
    assert numbering(data, 3) == ()
    many = split(np.zeros(100, np.int64), SplitSizes(), 0)
    assert sorted((*many.calibration, *many.search, *many.confirmation)) == [*range(100)]
