"""Pictures in class folders: which class they are of, and which pictures are decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from primesvt_core.data import open_data
from tests.support.data_files import (
    IMAGES,
    folder,
    refused,
)


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "cat" / "0.png").write_bytes((root / "cat" / "0.png").read_bytes()[:40])
    refused(root, "data_undecodable", "0.png")


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
