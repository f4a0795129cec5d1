"""Pictures in folders and archives of every layout, in parts and not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.inputs.case import CLASSES, Images, Input, digits, inputs
from tests.inputs.files import (
    LETTERS,
    Files,
    as_files,
    encoded,
    lettered,
    named,
    others,
    packed,
    tarred,
    zipped,
)

GROUPED = {number: ("even", "odd")[number % 2] for number in range(CLASSES)}


def _superclasses() -> Files:
    """Class folders below others, as CIFAR-100's: numbered by the innermost."""
    labels = digits().labels
    return {
        f"{GROUPED[int(label)]}/{name}": content
        for (name, content), label in zip(named("{c}/{n}.png", LETTERS).items(), labels, strict=True)
    }


def _writers(*names: str) -> Files:
    found = named("{c}/{n}.png", LETTERS)
    return {f"{names[number % len(names)]}/{name}": content for number, (name, content) in enumerate(found.items())}


LAYOUTS: Mapping[str, Callable[[], Files]] = {
    "one folder above": lettered("digits/{c}/{n}.png"),
    "three folders above": lettered("home/me/digits/{c}/{n}.png"),
    "called images": lettered("images/{c}/{n}.png"),
    "images inside": lettered("{c}/images/{n}.png"),
    "test": lettered("test/{c}/{n}.png"),
    "val": lettered("val/{c}/{n}.png"),
    "train": lettered("train/{c}/{n}.png"),
    "test in each class": lambda: lettered("{c}/test/{n}.png")() | others("{c}/train/{n}.png", LETTERS),
    "train and test": lambda: lettered("test/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS),
    "train, val and test": lambda: lettered("test/{c}/{n}.png")()
    | others("train/{c}/{n}.png", LETTERS) | others("val/{c}/{n}.png", LETTERS),
    "train and val": lambda: lettered("val/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS),
    "Training and Testing": lambda: lettered("Testing/{c}/{n}.png")() | others("Training/{c}/{n}.png", LETTERS),
    "seg_train and seg_test, twice": lambda: lettered("seg_test/seg_test/{c}/{n}.png")()
    | others("seg_train/seg_train/{c}/{n}.png", LETTERS) | others("seg_pred/{n}.png", LETTERS),
    "digits-train and digits-test": lambda: lettered("digits-test/{c}/{n}.png")()
    | others("digits-train/{c}/{n}.png", LETTERS),
    "images, then parts": lambda: lettered("images/test/{c}/{n}.png")() | others("images/train/{c}/{n}.png", LETTERS),
    "parts, then images": lambda: lettered("test/images/{c}/{n}.png")() | others("train/images/{c}/{n}.png", LETTERS),
    "unlabelled test": lambda: lettered("val/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS)
    | others("test/{n}.png", LETTERS),
    "unlabelled test in a folder": lambda: lettered("val/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS)
    | others("test/unknown/{n}.png", LETTERS),
    "test and extra": lambda: lettered("test/{c}/{n}.png")() | others("extra/{c}/{n}.png", LETTERS),
    "folds": lambda: {**_writers("fold1", "fold2")},
    "writers": lambda: {**_writers("anna", "bert")},
    "years": lambda: {**_writers("2019", "2020", "2021")},
    "resolutions": lambda: lettered("16x16/{c}/{n}.png")() | others("32x32/{c}/{n}.png", LETTERS),
    "original and augmented": lambda: lettered("original/{c}/{n}.png")() | others("augmented/{c}/{n}.png", LETTERS),
    "clean and noisy": lambda: lettered("clean/{c}/{n}.png")() | others("noisy/{c}/{n}.png", LETTERS),
    "superclasses": _superclasses,
    "superclasses in a part": lambda: {f"test/{name}": content for name, content in _superclasses().items()},
    "loose pictures": lettered("{c}-{n}.png"),
    "loose pictures in one folder": lettered("all/{c}-{n}.png"),
    "a loose picture": lambda: lettered("{c}/{n}.png")() | {"sample.png": encoded(digits().pixels[0])},
    "thumbnails in each class": lambda: lettered("{c}/{n}.png")() | others("{c}/thumbs/{n}.png", LETTERS),
    "thumbnails in one class": lambda: lettered("{c}/{n}.png")()
    | {"a/thumbs/1.png": encoded(digits().pixels[0])},
    "masks beside": lambda: lettered("images/{c}/{n}.png")() | others("masks/{c}/{n}.png", LETTERS),
    "masks in the same folder": lambda: lettered("{c}/{n}.png")() | others("{c}/{n}_mask.png", LETTERS, start=0),
    "masks of the same names": lambda: lettered("{c}/{n}.png")() | others("{c}/{n}.bmp", LETTERS, start=0),
    "masks called before": lambda: lettered("{c}/{n}.png")() | others("{c}/mask-{n}.png", LETTERS, start=0),
    "a class in the training part alone": lambda: {
        name: content for name, content in lettered("test/{c}/{n}.png")().items() if not name.startswith("test/e/")
    } | others("train/{c}/{n}.png", LETTERS),
    "a folder of samples": lambda: lettered("{c}/{n}.png")() | others("samples/{n}.png", LETTERS),
    "numbers deep": partial(named, "{c}/{n}/0.png", LETTERS),
    "a checkpoint folder beside": lambda: lettered("{c}/{n}.png")() | {"checkpoints/model.pth": b"x"},
    "hidden folder": lambda: lettered("{c}/{n}.png")() | others(".cache/{c}/{n}.png", LETTERS),
    "hidden files": lambda: lettered("{c}/{n}.png")() | {
        "a/.DS_Store": b"x", "a/Thumbs.db": b"x", "a/desktop.ini": b"x", "a/._0001.png": b"x"
    },
    "a class twice in parts": lambda: lettered("test_a/{c}/{n}.png")() | others("test_b/{c}/{n}.png", LETTERS),
}  # fmt: skip


def _images_of(name: str) -> Images | None:
    """What a layout holds of the digits, where that is not all."""
    if name != "a class in the training part alone":
        return None
    kept = digits().labels != LETTERS.index("e")
    return Images(pixels=digits().pixels[kept], labels=digits().labels[kept])


def _by_class(root: Path) -> Path:
    for letter in LETTERS:
        own = {name: content for name, content in named("{c}/{n}.png", LETTERS).items() if name.startswith(letter)}
        zipped(root / "set", own, f"{letter}.zip")
    return root / "set"


IN_LAYOUTS = [
    Input(name=f"layout: {name}", make=as_files(make), images=_images_of(name)) for name, make in LAYOUTS.items()
]
IN_CONTAINERS = [
    Input(name=f"container {how}: {name}", make=packed(make, how))
    for how in ("zip", "tar", "tgz", "tar.xz", "tar.bz2")
    for name, make in {
        "letters": lettered("{c}/{n}.png"), "below": lettered("top/{c}/{n}.png"),
        "train and test": LAYOUTS["train and test"], "dot": lettered("./{c}/{n}.png"),
    }.items()
] + inputs(
    "container",
    {
        "zip with backslashes": lambda root: zipped(root, named("{c}/{n}.png", LETTERS), backslashes=True),
        "zip in a folder": lambda root: zipped(root / "set", named("{c}/{n}.png", LETTERS)).parent,
        "zip in a zip": lambda root: zipped(
            root, {"in.zip": zipped(root / "x", named("{c}/{n}.png", LETTERS)).read_bytes()}
        ),
        "two zips in a folder": lambda root: zipped(
            zipped(root / "set", others("{c}/{n}.png", LETTERS), "train.zip").parent,
            named("{c}/{n}.png", LETTERS), "test.zip"
        ).parent,
        "a zip for each class": _by_class,
        "tar cut short": lambda root: _cut(tarred(root, named("{c}/{n}.png", LETTERS))),
        "zip cut short": lambda root: _cut(zipped(root, named("{c}/{n}.png", LETTERS))),
        "tar called zip": lambda root: tarred(root, named("{c}/{n}.png", LETTERS), "set.zip"),
        "7z by name": lambda root: (root / "set.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(99)) and root / "set.7z",
        "leads out": lambda root: tarred(root, named("../{c}/{n}.png", LETTERS)),
        "absolute": lambda root: tarred(root, named("/{c}/{n}.png", LETTERS)),
    },
)  # fmt: skip


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


ALL = [*IN_LAYOUTS, *IN_CONTAINERS]
