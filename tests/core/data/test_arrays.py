"""Arrays as npz, idx files and CIFAR batches: what is read, and what is refused and named."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_core.data import archives, open_data
from primesvt_core.errors import DataError
from tests.support.data_files import (
    CLASSES,
    IMAGES,
    LABELS,
    as_python2,
    cifar,
    idx,
    refused,
    samples,
)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_open_by_their_folder_and_by_their_images(packed: bool, tmp_path: Path) -> None:
    idx(tmp_path / "a", packed=packed)
    idx(tmp_path / "a", "train", packed=packed)
    data = open_data(tmp_path / "a")
    np.testing.assert_array_equal(samples(data)[..., 0], IMAGES[..., 0])
    by_name = open_data(next((tmp_path / "a").glob("t10k-images*")))
    assert by_name.fingerprint() == data.fingerprint()


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


PICKLERS: dict[str, Callable[[object], bytes]] = {
    "python 2": as_python2,
    "python 3, protocol 2": lambda content: pickle.dumps(content, protocol=2),
    "python 3, protocol 4": lambda content: pickle.dumps(content, protocol=4),
}


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
