"""Every format that users have opens to the same samples; what cannot be opened is refused and named."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primesvt_client.packing import as_file
from primesvt_core.data import DataSet, archives, check_classes, open_data
from primesvt_core.data.images import decode_image
from primesvt_core.errors import DataError
from tests.support.shared import SHARED, needs_shared

CLASSES = ("cat", "dog", "eel")
LABELS = np.array([0, 0, 1, 1, 2, 2], np.int64)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), np.uint8)


def refused(path: Path, code: str, named: str) -> None:
    with pytest.raises(DataError) as refusal:
        samples(open_data(path))
    assert refusal.value.error_code == code
    assert named in refusal.value.message


def samples(data: DataSet) -> NDArray[np.generic]:
    return np.stack([data.decode(index) for index in range(len(data))])


def folder(root: Path, below: str = "") -> Path:
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        path = root / "set" / below / CLASSES[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root / "set"


def zipped(root: Path) -> Path:
    path = root / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder(root).rglob("*.png")):
            archive.write(file, "top/" + file.relative_to(root / "set").as_posix())
    return path


def tarred(mode: str, name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        path = root / name
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder(root), "top")
        return path

    return make


def npz(images: NDArray[np.generic]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        np.savez(root / "set.npz", images=images, labels=LABELS)
        return root / "set.npz"

    return make


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


def idx(root: Path, prefix: str = "t10k", *, packed: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    ending, opener = (".gz", gzip.open) if packed else ("", open)
    grey = IMAGES[..., 0]
    for name, array in (("images-idx3", grey), ("labels-idx1", LABELS.astype(np.uint8))):
        with opener(root / f"{prefix}-{name}-ubyte{ending}", "wb") as file:
            file.write(struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape))
            file.write(array.tobytes())
    return root


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_open_by_their_folder_and_by_their_images(packed: bool, tmp_path: Path) -> None:
    idx(tmp_path / "a", packed=packed)
    idx(tmp_path / "a", "train", packed=packed)
    data = open_data(tmp_path / "a")
    np.testing.assert_array_equal(samples(data)[..., 0], IMAGES[..., 0])
    by_name = open_data(next((tmp_path / "a").glob("t10k-images*")))
    assert by_name.fingerprint() == data.fingerprint()


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


def test_a_folder_with_one_part_of_idx_files_is_that_part(tmp_path: Path) -> None:
    assert len(open_data(idx(tmp_path, "train"))) == 6
    assert len(open_data(tmp_path, part="train")) == 6
    idx(tmp_path, "t10k")
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert len(open_data(tmp_path)) == 6
    refused(tmp_path / "train-images-idx3-ubyte.gz", "data_format", "train-labels-idx1-ubyte.gz")


def test_idx_files_open_by_their_labels_too(tmp_path: Path) -> None:
    idx(tmp_path)
    by_labels = open_data(tmp_path / "t10k-labels-idx1-ubyte.gz")
    assert by_labels.fingerprint() == open_data(tmp_path).fingerprint()


def test_an_archive_of_several_data_sets_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=LABELS)
    with as_file(tmp_path) as (packed, _), pytest.raises(DataError, match=r"several data sets \(a\.npz, b\.npz\)"):
        open_data(packed)


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, which is what the published archive holds."""

    def save_string(self, text: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)  # type: ignore[attr-defined]

    dispatch: ClassVar[Any] = {**pickle._Pickler.dispatch, bytes: save_string}


def as_python2(content: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


PICKLERS: dict[str, Callable[[object], bytes]] = {
    "python 2": as_python2,
    "python 3, protocol 2": lambda content: pickle.dumps(content, protocol=2),
    "python 3, protocol 4": lambda content: pickle.dumps(content, protocol=4),
}


def cifar(root: Path, dumps: Callable[[object], bytes] = as_python2, **changes: object) -> Path:
    flat = IMAGES[:, :8, :8]
    pixels = np.zeros((6, 3, 32, 32), np.uint8)
    pixels[:, :, :8, :8] = flat.transpose(0, 3, 1, 2)
    batch: dict[Any, object] = {b"data": pixels.reshape(6, 3072), b"labels": LABELS.tolist()} | changes
    contents: dict[str, object] = {
        "test_batch": batch,
        "data_batch_1": batch,
        "batches.meta": {"label_names": [*CLASSES]},
    }
    path = root / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            raw = dumps(content)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return path


@pytest.mark.parametrize("by", PICKLERS)
def test_cifars_python_archive(by: str, tmp_path: Path) -> None:
    data = open_data(cifar(tmp_path, PICKLERS[by]))
    assert data.classes == CLASSES
    np.testing.assert_array_equal(data.labels, LABELS)
    np.testing.assert_array_equal(samples(data)[:, :8, :8], IMAGES[:, :8, :8])


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(Path.cwd() / "primesvt-canary"), "w"))


def test_a_cifar_batch_that_is_a_program_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        open_data(cifar(tmp_path, lambda content: pickle.dumps(content, protocol=2), extra=Payload()))
    assert refusal.value.error_code == "data_unsafe"
    assert not (Path.cwd() / "primesvt-canary").exists()


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "missing", "data_format", "missing")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "data_format", "notes.txt")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "data_empty", "empty")
    Image.fromarray(IMAGES[0]).save(tmp_path / "empty" / "loose.png")
    refused(tmp_path / "empty", "data_format", "loose.png")


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "cat" / "0.png").write_bytes((root / "cat" / "0.png").read_bytes()[:40])
    refused(root, "data_undecodable", "0.png")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "npz, channels last"])
def test_a_file_that_is_cut_short_is_refused(kind: str, tmp_path: Path) -> None:
    path = FORMATS[kind](tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DataError):
        samples(open_data(path))


def test_idx_files_that_lie_are_refused(tmp_path: Path) -> None:
    root = idx(tmp_path, packed=False)
    images = root / "t10k-images-idx3-ubyte"
    content = images.read_bytes()
    images.write_bytes(content[:100])
    refused(root, "data_undecodable", images.name)
    images.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**15, 2**15))
    refused(root, "data_unsafe", images.name)
    (root / "t10k-labels-idx1-ubyte").unlink()
    refused(root, "data_format", "t10k-labels-idx1-ubyte")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    images = IMAGES.astype(np.float32)
    images[-1, 0, 0, 0] = value
    np.savez(tmp_path / "set.npz", images=images, labels=LABELS)
    refused(tmp_path / "set.npz", "data_undecodable", "NaN or infinity")


def test_four_channels_at_the_end_are_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=np.concatenate([IMAGES, IMAGES[..., :1]], -1), labels=LABELS)
    assert open_data(tmp_path / "set.npz").decode(0).shape == (8, 10, 4)


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


@pytest.mark.parametrize(
    ("arrays", "code", "named"),
    [
        ({"images": IMAGES}, "data_format", "labels"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "data_format", "3 labels"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "data_format", "integers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "data_classes", "negative"),
        ({"images": IMAGES, "labels": LABELS + 10**12}, "data_classes", "1000000000002"),
        ({"images": IMAGES, "labels": LABELS.astype(np.uint64) + np.uint64(2**63)}, "data_classes", "no class"),
        ({"images": IMAGES, "labels": LABELS[:, None]}, "data_format", "integers (N,)"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, "data_format", "[6, 0, 10, 3]"),
        ({"images": IMAGES.astype(complex), "labels": LABELS}, "data_format", "complex"),
        ({"images": IMAGES.astype(np.uint16) * 256, "labels": LABELS}, "data_format", "bytes (0-255) or floats"),
        ({"images": IMAGES.astype(int) - 128, "labels": LABELS}, "data_format", "bytes (0-255) or floats"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "data_empty", "no images"),
        ({"images": IMAGES[0, 0], "labels": LABELS}, "data_format", "dimensions"),
        ({"images": np.array([{}] * 6), "labels": LABELS}, "data_unsafe", "images"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    arrays: dict[str, NDArray[np.generic]], code: str, named: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
    refused(tmp_path / "set.npz", code, named)


def test_more_classes_than_the_model_knows_are_refused(tmp_path: Path) -> None:
    data = open_data(folder(tmp_path))
    check_classes(data, 3)
    with pytest.raises(DataError) as refusal:
        check_classes(data, 2)
    assert refusal.value.error_code == "data_classes"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": ["0"] * 6}, "labels"),
        ({"labels": [10**30] * 6}, "labels"),
        ({"labels": [7] * 6}, "no class"),
        ({"data": [1, 2]}, "3,072"),
    ],
)
def test_a_cifar_batch_that_lies_is_refused(changes: dict[str, object], named: str, tmp_path: Path) -> None:
    path = cifar(tmp_path, lambda content: pickle.dumps(content, protocol=2), **changes)
    with pytest.raises(DataError) as refusal:
        open_data(path)
    assert named in refusal.value.message


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(IMAGES[0]).save(path)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["cat/0.png", "dog/1.png"], ("cat", "dog")),
        (["top/cat/0.png", "top/dog/1.png"], ("cat", "dog")),
        (["cat/deep/0.png", "dog/1.png"], ("cat", "dog")),
        (["only/0.png", "only/1.png"], ("only",)),
        (["top/val/cat/0.png", "top/train/cat/1.png", "top/train/dog/2.png"], ("cat",)),
        (["test/cat/0.png", "val/dog/1.png"], ("cat",)),
    ],
)
def test_classes_are_the_first_folders_that_differ(names: list[str], classes: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        picture(tmp_path / "set" / name)
    assert open_data(tmp_path / "set").classes == classes


def test_a_picture_beside_the_class_folders_is_refused(tmp_path: Path) -> None:
    for name in ("top/cat/0.png", "top/dog/1.png", "top/sample.png"):
        picture(tmp_path / "set" / name)
    refused(tmp_path / "set", "data_format", "top/sample.png")


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_pictures_of_every_mode_decode_to_grey_or_colour() -> None:
    levels = np.arange(0, 65536, 6553).astype(np.uint16)[None]
    np.testing.assert_array_equal(decode_image("x", encoded(Image.fromarray(levels), "PNG"))[..., 0], levels >> 8)
    for mode, channels in (("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)):
        found = decode_image("x", encoded(Image.new(mode, (3, 2)), "PNG"))
        assert (found.shape, found.dtype) == ((2, 3, channels), np.dtype("uint8"))


@pytest.mark.parametrize("kind", ["EPS", "PCX", "TGA"])
def test_only_formats_of_pictures_that_people_have_are_decoded(kind: str) -> None:
    with pytest.raises(DataError) as refusal:
        decode_image("cat/0.png", encoded(Image.new("RGB", (3, 2)), kind))
    assert refusal.value.error_code == "data_undecodable"
    assert "cat/0.png" in refusal.value.message


@pytest.mark.parametrize("side", [8_100, 10_000, 14_000])
def test_a_picture_that_unpacks_to_far_too_many_pixels_is_refused(side: int) -> None:
    flat = b"P5 %d %d 255\n" % (side, side)
    with pytest.raises(DataError) as refusal:
        decode_image("cat/0.pgm", flat)
    assert refusal.value.error_code == "data_unsafe"
    assert "cat/0.pgm" in refusal.value.message


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
    refused(path, "data_undecodable", "set.zip")


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


def test_an_array_that_declares_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (6, 1 << 15, 1 << 15)}
    )
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue())
    refused(tmp_path / "set.npz", "data_undecodable", "cut short")


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
def test_real_data_opens() -> None:
    cifar10 = open_data(SHARED / "data/cifar10/cifar10-jpeg.tar.xz")
    assert (len(cifar10), len(cifar10.classes), cifar10.decode(0).shape) == (10_000, 10, (32, 32, 3))
    fashion = open_data(SHARED / "data/fashion-mnist")
    assert (len(fashion), fashion.decode(0).shape) == (10_000, (28, 28, 1))
    events = open_data(SHARED / "data/n-mnist-small/nmnist-frames-T4-test.npz")
    assert (events.kind, events.decode(0).shape[:2]) == ("frames", (4, 2))
