"""Every format that users have opens to the same samples; what cannot be opened is refused and named."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from primesvt_client.packing import as_file
from primesvt_core.data import check_classes, open_data
from primesvt_core.errors import DataError
from tests.support.data_files import (
    IMAGES,
    LABELS,
    cifar,
    folder,
    idx,
    npz,
    refused,
    samples,
    tarred,
    zipped,
)
from tests.support.shared import SHARED, needs_shared

FORMATS = {
    "folder": folder, "zip": zipped, "tar": tarred("w", "set.tar"), "tar.gz": tarred("w:gz", "set.tgz"),
    "tar.xz": tarred("w:xz", "whatever"), "npz, channels last": npz(IMAGES),
    "npz, channels first": npz(IMAGES.transpose(0, 3, 1, 2)), "npz, wide": npz(IMAGES.astype(np.int64)),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_samples(kind: str, tmp_path: Path) -> None:
    data = open_data(FORMATS[kind](tmp_path))
    assert (len(data), data.kind) == (6, "images")
    assert len(data.classes) == 3
    np.testing.assert_array_equal(data.labels, LABELS)
    np.testing.assert_array_equal(samples(data), IMAGES)
    assert data.fingerprint() == open_data(FORMATS[kind](tmp_path)).fingerprint()


def test_frames_keep_their_time_axis(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 3, (6, 4, 2, 8, 8), np.uint8)
    data = open_data(npz(frames)(tmp_path))
    assert data.kind == "frames"
    np.testing.assert_array_equal(samples(data), frames)


def test_training_and_test_parts_are_told_apart(tmp_path: Path) -> None:
    folder(tmp_path, "train")
    extra = folder(tmp_path, "val") / "val" / "cat" / "more.png"
    Image.fromarray(IMAGES[0]).save(extra)
    assert len(open_data(tmp_path / "set")) == 7
    assert len(open_data(tmp_path / "set", part="train")) == 6


def emptied(root: Path) -> Path:
    """The folder of a data set that is one file; what it was made from goes elsewhere."""
    if (root / "set").exists():
        (root / "set").rename(root.parent / f"{root.name}-aside")
    return root


MADE: dict[str, Callable[[Path], Path]] = {
    "idx": idx,
    "idx, packed and not": lambda root: idx(idx(root), packed=False),
    "idx, named otherwise": lambda root: renamed(idx(root / "raw", "emnist-test")),
    "npz": lambda root: npz(IMAGES)(root).parent,
    "zip": lambda root: zipped(root).parent,
    "tar.gz of images": lambda root: tarred("w:gz", "my set.tar.gz")(root).parent,
    "cifar": lambda root: cifar(root).parent,
    "cifar, unpacked": lambda root: unpacked(cifar(root)),
    "images": lambda root: folder(root, "val"),
}


def renamed(root: Path) -> Path:
    for file in [*root.iterdir()]:
        file.rename(root / file.name.replace("-idx", ".idx"))
    return root.parent


def unpacked(archive: Path) -> Path:
    with tarfile.open(archive) as content:
        content.extractall(archive.parent, filter="data")
    archive.unlink()
    return archive.parent / "cifar-10-batches-py"


def as_zip(made: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in made.rglob("*") if file.is_file()):
            archive.writestr(f"top/{file.relative_to(made).as_posix()}", file.read_bytes())
    return target


@pytest.mark.parametrize("kind", MADE)
def test_a_folder_opens_the_same_however_it_was_packed_to_be_sent(kind: str, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = emptied(MADE[kind](tmp_path / "made"))
    (made / "._set.npz").write_bytes(b"of another system")
    wanted = open_data(made)
    assert len(wanted) == 6
    with as_file(made) as (packed, _):
        assert packed.suffix == ".tar"
        found = [open_data(packed), open_data(as_zip(made, tmp_path / "sent.zip"))]
    with tarfile.open(tmp_path / "sent", "w:xz") as archive:
        archive.add(made, "one/below")
    with tarfile.open(tmp_path / "here", "w") as archive:
        archive.add(made, ".")
    for data in (*found, open_data(tmp_path / "sent"), open_data(tmp_path / "here")):
        np.testing.assert_array_equal(data.labels, wanted.labels)
        np.testing.assert_array_equal(samples(data), samples(wanted))
    assert [data.name.split(" ")[0] for data in found] == [packed.name, "sent.zip"]


def pictured(root: Path, other: Path, below: str) -> Path:
    """A folder with pictures in class folders, and another data set ``below`` it."""
    folder(root)
    (root / "set" / below).mkdir(parents=True, exist_ok=True)
    for file in [other] if other.is_file() else other.iterdir():
        shutil.copy(file, root / "set" / below / file.name)
    return root / "set"


PICTURES, GREY, SMALL = (8, 10, 3), (8, 10, 1), (32, 32, 3)
BESIDE: dict[str, tuple[Callable[[Path], Path], str, tuple[int, ...], str]] = {
    "npz": (npz(IMAGES[:, :4]), "", PICTURES, "set.npz"),
    "npz first": (npz(IMAGES[:, :4]), "a/b", PICTURES, "a/b/set.npz"),
    "npz in a class": (npz(IMAGES[:, :4]), "cat", PICTURES, "cat/set.npz"),
    "the archive that they came in": (zipped, "", PICTURES, "set.zip"),
    "idx": (idx, "", GREY, "cat/0.png"),
    "idx, as deep": (idx, "raw", GREY, "cat/0.png"),
    "idx, deeper": (idx, "a/raw", PICTURES, "a/raw/t10k-images-idx3-ubyte.gz"),
    "cifar": (lambda root: unpacked(cifar(root)), "a", SMALL, "cat/0.png"),
}
"""What lies beside pictures, below which folder; the shape of what is read, and the names of what is not."""


@pytest.mark.parametrize("kind", BESIDE)
def test_of_pictures_beside_another_data_set_one_is_read_and_the_other_is_named(kind: str, tmp_path: Path) -> None:
    other, below, shape, named = BESIDE[kind]
    (tmp_path / "other").mkdir()
    made = pictured(tmp_path, other(tmp_path / "other"), below)
    with as_file(made) as (packed, _):
        found = [open_data(path) for path in (made, packed, as_zip(made, tmp_path / "sent.zip"))]
    for data in found:
        assert (len(data), data.decode(0).shape) == (6, shape)
        assert [named in note for note in data.notes if "Beside the data set" in note] == [True]
        np.testing.assert_array_equal(samples(data), samples(found[0]))


def test_an_archive_of_several_data_sets_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=LABELS)
    with as_file(tmp_path) as (packed, _), pytest.raises(DataError, match=r"several data sets \(a\.npz, b\.npz\)"):
        open_data(packed)


def test_what_may_have_been_meant_is_named_where_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar10" / "test").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    refused(Path("cifar-10"), "data_format", "no file or folder cifar-10; did you mean cifar10?")
    refused(Path("cifar-10/test"), "data_format", "did you mean cifar10?")
    refused(Path("elsewhere.npz"), "data_format", f"a relative path begins in {tmp_path}")


def test_what_lies_beside_a_whole_path_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "upload-1").mkdir()
    with pytest.raises(DataError) as refusal:
        open_data(tmp_path / "upload-2")
    assert refusal.value.message == f"there is no file or folder {tmp_path / 'upload-2'}"


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "missing", "data_format", "missing")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "data_format", "notes.txt")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "data_empty", "empty")
    Image.fromarray(IMAGES[0]).save(tmp_path / "empty" / "loose.png")
    refused(tmp_path / "empty", "data_format", "loose.png")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "npz, channels last"])
def test_a_file_that_is_cut_short_is_refused(kind: str, tmp_path: Path) -> None:
    path = FORMATS[kind](tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DataError):
        samples(open_data(path))


def test_more_classes_than_the_model_knows_are_refused(tmp_path: Path) -> None:
    data = open_data(folder(tmp_path))
    check_classes(data, 3)
    with pytest.raises(DataError) as refusal:
        check_classes(data, 2)
    assert refusal.value.error_code == "data_classes"


@pytest.mark.parametrize("count", range(12))
def test_damage_anywhere_is_a_refusal_or_another_sample(count: int, tmp_path: Path) -> None:
    """Whatever bytes change, nothing but a `DataError` is raised."""
    generator = np.random.default_rng(count)
    for number, make in enumerate([make for kind, make in FORMATS.items() if kind != "folder"]):
        root = tmp_path / str(number)
        root.mkdir()
        path = make(root)
        content = bytearray(path.read_bytes())
        for place in generator.integers(0, len(content), 3):
            content[place] = generator.integers(256)
        path.write_bytes(content)
        with suppress(DataError):
            samples(open_data(path))


@needs_shared
@pytest.mark.thorough
def test_real_pictures_open() -> None:
    cifar10 = open_data(SHARED / "data/cifar10/cifar10-jpeg.tar.xz")
    assert (len(cifar10), len(cifar10.classes), cifar10.decode(0).shape) == (10_000, 10, (32, 32, 3))


@needs_shared
def test_real_arrays_open() -> None:
    fashion = open_data(SHARED / "data/fashion-mnist")
    assert (len(fashion), fashion.decode(0).shape) == (10_000, (28, 28, 1))
    events = open_data(SHARED / "data/n-mnist-small/nmnist-frames-T4-test.npz")
    assert (events.kind, events.decode(0).shape[:2]) == ("frames", (4, 2))
