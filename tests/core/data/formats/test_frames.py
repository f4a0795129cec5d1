"""Event data as spikingjelly writes it: one file a sample, in class folders, perhaps by part."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_client.packing import as_file
from primesvt_core.data import Preprocessing, load_batch, open_data
from primesvt_core.errors import DataError
from tests.support.data_files import LABELS, refused, samples
from tests.support.shared import SHARED, needs_shared

FRAMES = np.random.default_rng(0).integers(0, 5, (6, 4, 2, 8, 10)).astype(np.float32)
MADE = "frames_number_4_split_by_number"


def written(root: Path, frames: NDArray[np.generic] = FRAMES, **others: NDArray[np.generic]) -> Path:
    for number, (one, label) in enumerate(zip(frames, LABELS, strict=True)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        np.savez(root / str(label) / f"{number}.npz", frames=one, **others)  # type: ignore[arg-type]
    return root


def events(root: Path) -> Path:
    for label in ("0", "1"):
        (root / label).mkdir(parents=True)
        np.savez(root / label / "0.npz", **dict.fromkeys("txyp", np.arange(9)))  # type: ignore[arg-type]
    return root


def whole(root: Path) -> Path:
    """All that spikingjelly leaves in the folder of a data set."""
    (root / "download").mkdir(parents=True)
    (root / "download" / "data.zip").write_bytes(b"PK")
    events(root / "events_np" / "test")
    written(root / MADE / "test")
    written(root / MADE / "train", FRAMES[::-1])
    return root


@pytest.mark.parametrize("form", ["folder", "as it is sent", "zip", "tar.gz"])
@pytest.mark.parametrize("kind", ["class folders", "one part", "both parts"])
def test_frames_are_read_from_folders_and_archives(kind: str, form: str, tmp_path: Path) -> None:
    root = tmp_path / "DVS"
    if kind == "both parts":
        written(root / MADE / "train", FRAMES[::-1])
    written({"class folders": root, "one part": root / "test", "both parts": root / MADE / "test"}[kind])
    if form == "folder":
        data = open_data(root)
    elif form == "as it is sent":
        with as_file(root) as (packed, _):
            data = open_data(packed)
            np.testing.assert_array_equal(samples(data), FRAMES)
    elif form == "zip":
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for file in sorted(root.rglob("*.npz")):
                archive.write(file, file.relative_to(tmp_path).as_posix())
        data = open_data(tmp_path / "set.zip")
    else:
        with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as packed_tar:
            packed_tar.add(root, "DVS")
        data = open_data(tmp_path / "set.tar.gz")
    assert (data.kind, data.classes) == ("frames", ("0", "1", "2"))
    np.testing.assert_array_equal(data.labels, LABELS)
    np.testing.assert_array_equal(samples(data), FRAMES)


def test_frames_are_found_beside_what_they_were_made_of(tmp_path: Path) -> None:
    root = whole(tmp_path / "DVS")
    np.testing.assert_array_equal(samples(open_data(root)), FRAMES)
    np.testing.assert_array_equal(samples(open_data(root, part="train")), FRAMES[::-1])


def test_channels_may_be_last_and_counts_of_any_kind(tmp_path: Path) -> None:
    for number, dtype in enumerate((np.uint8, np.int64, np.float64)):
        root = written(tmp_path / str(number), FRAMES.transpose(0, 1, 3, 4, 2).astype(dtype))
        np.testing.assert_array_equal(samples(open_data(root)), FRAMES)


def test_frames_of_several_kinds_are_refused(tmp_path: Path) -> None:
    written(tmp_path / MADE / "test")
    written(tmp_path / "frames_number_8_split_by_time" / "test")
    refused(tmp_path, "data_format", f"several kinds ({MADE}, frames_number_8_split_by_time)")


def test_events_without_frames_are_refused(tmp_path: Path) -> None:
    refused(events(tmp_path / "events_np"), "data_format", "integrate them")
    with as_file(tmp_path / "events_np") as (packed, _):
        refused(packed, "data_format", "integrate them")


@pytest.mark.parametrize(
    ("frames", "code", "told"),
    [
        (FRAMES[0, 0], "data_format", "should be numbers (T, C, H, W)"),
        (FRAMES.astype(complex)[0], "data_format", "complex128[4, 2, 8, 10]"),
        (np.full((4, 2, 8, 10), np.nan), "data_undecodable", "no numbers"),
        (np.zeros((4, 2, 0, 0)), "data_format", "[4, 2, 0, 0]"),
    ],
)
def test_frames_of_another_form_are_refused(frames: NDArray[np.generic], code: str, told: str, tmp_path: Path) -> None:
    root = written(tmp_path)
    np.savez(root / "2" / "5.npz", frames=frames)
    refused(root, code, told)


def test_a_file_without_frames_among_others_is_named(tmp_path: Path) -> None:
    root = written(tmp_path)
    np.savez(root / "2" / "5.npz", images=FRAMES[5])
    refused(root, "data_format", "2/5.npz has no array 'frames'")


def test_samples_of_several_lengths_are_named(tmp_path: Path) -> None:
    root = written(tmp_path)
    np.savez(root / "2" / "5.npz", frames=FRAMES[5, :3])
    with pytest.raises(DataError, match="of 3 and 4 time steps"):
        load_batch(open_data(root), range(6), Preprocessing())


def test_files_with_labels_of_their_own_are_data_sets(tmp_path: Path) -> None:
    for name in ("one", "two"):
        np.savez(tmp_path / f"{name}.npz", frames=FRAMES, labels=LABELS)
    refused(tmp_path, "data_format", "several data sets")


@needs_shared
def test_samples_in_files_are_those_of_one_array(tmp_path: Path) -> None:
    whole_set = SHARED / "data" / "n-mnist-small" / "nmnist-frames-T4-test.npz"
    wanted = open_data(whole_set)
    for index in range(0, len(wanted), 7):
        (tmp_path / str(wanted.labels[index])).mkdir(exist_ok=True)
        np.savez(tmp_path / str(wanted.labels[index]) / f"{index:05d}.npz", frames=wanted.decode(index))
    found = open_data(tmp_path)
    chosen = sorted(range(0, len(wanted), 7), key=lambda index: (wanted.labels[index], index))
    np.testing.assert_array_equal(samples(found), np.stack([wanted.decode(index) for index in chosen]))
