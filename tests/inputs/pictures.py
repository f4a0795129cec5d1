"""Pictures in folders and archives: formats, names of classes, layouts, parts, what else lies there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from primesvt_core.spec import ClassReading
from tests.inputs.case import CLASSES, Bytes, Images, Input, Options, digits, inputs
from tests.inputs.files import NUMBERS, Encode, Files, decoded, encoded, folder, named, others, packed, tarred, zipped

LETTERS = tuple("abcdefghij")
CONTAINERS = ("folder", "zip", "tar", "tgz", "tar.xz", "tar.bz2")


def as_files(make: Callable[[], Files]) -> Callable[[Path], Path]:
    return packed(make, "folder")


def _decoded(encode: Encode) -> Images:
    """The pictures as Pillow has them when they were written and read."""
    pixels = np.stack([decoded(encode(picture)) for picture in digits().pixels])
    return Images(pixels=pixels.astype(np.uint8), labels=digits().labels)


def _pnm(magic: str, largest: int, dtype: str, scale: float) -> Encode:
    def encode(pixels: Bytes) -> bytes:
        head = f"{magic}\n# made by hand\n{pixels.shape[1]} {pixels.shape[0]}\n{largest}\n".encode()
        values = np.rint(pixels * scale)
        return head + (values.astype(dtype).tobytes() if magic == "P5" else " ".join(
            str(int(value)) for value in values.ravel()
        ).encode())  # fmt: skip

    return encode


def _wide(pixels: Bytes) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint16) * 257)


def _tiff(**tags: int) -> Encode:
    numbers = {"white_is_zero": (262, 0)}

    def encode(pixels: Bytes) -> bytes:
        info = TiffImagePlugin.ImageFileDirectory_v2()
        for name in tags:
            key, value = numbers[name]
            info[key] = value
        return encoded(Image.fromarray(255 - pixels if "white_is_zero" in tags else pixels), "TIFF", tiffinfo=info)

    return encode


def _with_exif(orientation: int) -> Encode:
    def encode(pixels: Bytes) -> bytes:
        exif = Image.Exif()
        exif[274] = orientation
        return encoded(pixels, "JPEG", quality=95, exif=exif)

    return encode


def _two(form: str) -> Encode:
    def encode(pixels: Bytes) -> bytes:
        other = Image.fromarray(pixels[::-1].copy())
        return encoded(Image.fromarray(pixels), form, save_all=True, append_images=[other])

    return encode


LOSSY: Mapping[str, tuple[str, Encode]] = {
    "jpeg": ("jpg", lambda x: encoded(x, "JPEG", quality=90)),
    "jpeg, poor": ("jpeg", lambda x: encoded(x, "JPEG", quality=20)),
    "jpeg, progressive": ("JPG", lambda x: encoded(x, "JPEG", progressive=True)),
    "webp": ("webp", lambda x: encoded(x, "WEBP", quality=80)),
    "gif": ("gif", lambda x: encoded(x, "GIF")),
    "jpeg, turned by its metadata": ("jpg", _with_exif(6)),
    "jpeg, mirrored by its metadata": ("jpg", _with_exif(2)),
}
LOSSLESS: Mapping[str, tuple[str, Encode]] = {
    "png": ("png", encoded),
    "PNG in capitals": ("PNG", encoded),
    "png, 16 bits": ("png", lambda x: encoded(_wide(x))),
    "png, grey with alpha": ("png", lambda x: encoded(Image.fromarray(x).convert("LA"))),
    "png, palette": ("png", lambda x: encoded(Image.fromarray(x).convert("P"))),
    "png, colours": ("png", lambda x: encoded(Image.fromarray(x).convert("RGB"))),
    "png, colours with alpha": ("png", lambda x: encoded(Image.fromarray(x).convert("RGBA"))),
    "png, interlaced or not, called jpg": ("jpg", encoded),
    "png, of alpha alone": ("png", lambda x: encoded(Image.merge("LA", (Image.new("L", x.shape), Image.fromarray(x))))),
    "png, cut short": ("png", lambda x: encoded(x)[:-40]),
    "png, empty": ("png", lambda _: b""),
    "bmp": ("bmp", lambda x: encoded(x, "BMP")),
    "pgm": ("pgm", lambda x: encoded(x, "PPM")),
    "pgm, of 255": ("pgm", _pnm("P5", 255, "u1", 1)),
    "pgm, 16 bits": ("pgm", _pnm("P5", 65535, ">u2", 257)),
    "pgm, text": ("pgm", _pnm("P2", 255, "", 1)),
    "pgm, text of 65535": ("pgm", _pnm("P2", 65535, "", 257)),
    "pgm, of 51": ("pgm", _pnm("P5", 51, "u1", 0.2)),
    "pgm, states too much": ("pgm", _pnm("P5", 65535, ">u2", 1)),
    "tiff": ("tif", lambda x: encoded(x, "TIFF")),
    "tiff, packed": ("tiff", lambda x: encoded(x, "TIFF", compression="tiff_lzw")),
    "tiff, 16 bits": ("tif", lambda x: encoded(_wide(x), "TIFF")),
    "tiff, white is zero": ("tif", _tiff(white_is_zero=1)),
    "tiff, floats": ("tif", lambda x: encoded(Image.fromarray(x / np.float32(255)), "TIFF")),
    "tiff, 32 bits": ("tif", lambda x: encoded(Image.fromarray(x.astype(np.int32)), "TIFF")),
    "webp, lossless, grey": ("webp", lambda x: encoded(x, "WEBP", lossless=True)),
    "gif, several": ("gif", _two("GIF")),
    "tiff, several": ("tif", _two("TIFF")),
    "png, several": ("png", _two("PNG")),
    "heic by name": ("heic", encoded),
    "npy": ("npy", lambda x: x.tobytes()),
    "without suffix": ("", encoded),
}


def _flags(pixels: Bytes) -> Bytes:
    return np.where(pixels > 127, np.uint8(255), np.uint8(0))


FORMATS = [
    *(
        Input(
            name=f"picture format: {name}",
            make=as_files(partial(named, "{c}/{n}." + suffix if suffix else "{c}/{n}", NUMBERS, encode)),
            images=_decoded(encode) if name in LOSSY else None,
        )
        for name, (suffix, encode) in {**LOSSY, **LOSSLESS}.items()
    ),
    *(
        Input(
            name=f"picture values: {name}", make=as_files(partial(named, "{c}/{n}." + suffix, NUMBERS, encode)),
            images=Images(pixels=_flags(digits().pixels), labels=digits().labels),
        )
        for name, suffix, encode in (
            ("png of one bit", "png", lambda x: encoded(Image.fromarray(_flags(x)).convert("1"))),
            ("pbm", "pbm", lambda x: encoded(Image.fromarray(_flags(x)).convert("1"), "PPM")),
            ("tiff of one bit", "tif", lambda x: encoded(Image.fromarray(_flags(x)).convert("1"), "TIFF")),
            ("bytes of 0 and 1", "png", lambda x: encoded(_flags(x) // 255)),
        )
    ),
    Input(name="picture values: bytes of 0 to 16", make=as_files(partial(
        named, "{c}/{n}.png", NUMBERS, lambda x: encoded(np.rint(x / 255 * 16).astype(np.uint8))
    ))),
    Input(name="picture values: 12 bits in 16", make=as_files(partial(
        named, "{c}/{n}.png", NUMBERS, lambda x: encoded(Image.fromarray(x.astype(np.uint16) * 16))
    ))),
    Input(name="picture values: bytes of 0 to 127", make=as_files(partial(
        named, "{c}/{n}.png", NUMBERS, lambda x: encoded(x // 2)
    ))),
]  # fmt: skip


def _scaled(width: int, height: int) -> Callable[[Bytes], Bytes]:
    return lambda x: np.asarray(Image.fromarray(x).resize((width, height), Image.Resampling.BILINEAR))


def _of_size(name: str, change: Callable[[Bytes], Bytes]) -> Input:
    images = Images(pixels=np.stack([change(x) for x in digits().pixels]), labels=digits().labels)
    return Input(name=f"picture size: {name}", make=as_files(lambda: named(images=images)), images=images)


SIZES = [
    _of_size("8 x 8", _scaled(8, 8)),
    _of_size("28 x 28", _scaled(28, 28)),
    _of_size("32 x 32", _scaled(32, 32)),
    _of_size("32 x 16", _scaled(32, 16)),
    _of_size("20 x 30", _scaled(20, 30)),
    _of_size("a border", lambda x: np.pad(x, 4)),
    _of_size("a band", lambda x: np.pad(x, ((0, 0), (8, 8)))),
    _of_size("one pixel", lambda x: x[:1, :1]),
    _of_size("turned", lambda x: np.ascontiguousarray(x.T)),
    _of_size("negative", lambda x: 255 - x),
    _of_size("dark", lambda x: x // 4),
    _of_size("noise", lambda x: np.random.default_rng(1).integers(0, 256, x.shape, np.uint8)),
    Input(name="picture size: one of another", make=as_files(
        lambda: named() | {"0/more.png": encoded(np.zeros((20, 24), np.uint8))}
    )),
    Input(name="picture size: a few coloured", make=as_files(
        lambda: named() | {"0/more.png": encoded(np.zeros((16, 16, 3), np.uint8))}
    )),
]  # fmt: skip

SCHEMES: Mapping[str, Sequence[str]] = {
    "letters": LETTERS,
    "capitals": tuple("ABCDEFGHIJ"),
    "one capital": tuple("abcDefghij"),
    "from 1": tuple(str(number) for number in range(1, CLASSES + 1)),
    "class 1 to class 10": tuple(f"class {number}" for number in range(1, CLASSES + 1)),
    "with zeros": tuple(f"{number:03}" for number in range(CLASSES)),
    "words in another order": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "two words in another order": ("a", "c", "b", *"defghij"),
    "number and name": tuple(f"{number}_{name}" for number, name in enumerate(LETTERS, 5)),
    "accents": tuple(f"{letter}é" for letter in LETTERS),
    "accents in two characters": tuple(f"{letter}e\N{COMBINING ACUTE ACCENT}" for letter in LETTERS),
    "Chinese": tuple("丁万丈三上下不与丐丑"),
    "emoji": tuple("😀😁😂😃😄😅😆😇😈😉"),
    "spaces": tuple(f"{letter} {letter}" for letter in LETTERS),
    "dots": tuple(f"{letter}.{letter}" for letter in LETTERS),
    "suffixes": tuple(f"{letter}.png" for letter in LETTERS),
    "words of parts": ("a test", "b train", "c val", "d set", *"efghij"),
    "a class called train": (*"abcdefghi", "train"),
    "classes called test and train": (*"abcdefgh", "test", "train"),
    "a hidden class": (".a", *"bcdefghij"),
    "underscores": tuple(f"_{letter}" for letter in LETTERS),
    "decimals": tuple(f"{number / 10}" for number in range(CLASSES)),
    "negative numbers": tuple(str(number - 5) for number in range(CLASSES)),
    "synsets": tuple(f"n0{number + 1440764}" for number in range(CLASSES)),
    "percent": tuple(f"{letter}%20{letter}" for letter in LETTERS),
    "newline": tuple(f"{letter}\n{letter}" for letter in LETTERS),
    "roman": ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"),
    "mixed widths": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "10"),
    "same but for case": ("a", "A", *"bcdefghi"),
}
CLASS_NAMES = [
    Input(name=f"class names: {name}", make=as_files(partial(named, "{c}/{n}.png", names)))
    for name, names in SCHEMES.items()
] + [
    Input(name=f"class names in a {how}: {name}", make=packed(partial(named, "{c}/{n}.png", SCHEMES[name]), how))
    for name in ("accents", "Chinese", "from 1", "one capital")
    for how in ("zip", "tar")
]  # fmt: skip


def _listed(name: str, names: Sequence[str], order: Any) -> Input:
    reading = ClassReading(class_order=order)
    return Input(
        name=f"class order told: {name}", make=as_files(partial(named, "{c}/{n}.png", names)),
        options=Options(classes=reading),
    )  # fmt: skip


WORDS = tuple(SCHEMES["words in another order"])
ORDERS = [
    _listed("words", WORDS, WORDS),
    _listed("plain", SCHEMES["from 1"], "plain"),
    _listed("natural", SCHEMES["from 1"], "natural"),
    _listed("a name is missing", WORDS, WORDS[:-1]),
    _listed("one more", WORDS, (*WORDS, "ten")),
    _listed("other accents", SCHEMES["accents"], tuple(SCHEMES["accents in two characters"])),
    _listed("other names", LETTERS, WORDS),
]


def _roman(place: str) -> Callable[[], Files]:
    return partial(named, place, LETTERS)


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
    "one folder above": _roman("digits/{c}/{n}.png"),
    "three folders above": _roman("home/me/digits/{c}/{n}.png"),
    "called images": _roman("images/{c}/{n}.png"),
    "images inside": _roman("{c}/images/{n}.png"),
    "test": _roman("test/{c}/{n}.png"),
    "val": _roman("val/{c}/{n}.png"),
    "train": _roman("train/{c}/{n}.png"),
    "test in each class": lambda: _roman("{c}/test/{n}.png")() | others("{c}/train/{n}.png", LETTERS),
    "train and test": lambda: _roman("test/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS),
    "train, val and test": lambda: _roman("test/{c}/{n}.png")()
    | others("train/{c}/{n}.png", LETTERS) | others("val/{c}/{n}.png", LETTERS),
    "train and val": lambda: _roman("val/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS),
    "Training and Testing": lambda: _roman("Testing/{c}/{n}.png")() | others("Training/{c}/{n}.png", LETTERS),
    "seg_train and seg_test, twice": lambda: _roman("seg_test/seg_test/{c}/{n}.png")()
    | others("seg_train/seg_train/{c}/{n}.png", LETTERS) | others("seg_pred/{n}.png", LETTERS),
    "digits-train and digits-test": lambda: _roman("digits-test/{c}/{n}.png")()
    | others("digits-train/{c}/{n}.png", LETTERS),
    "images, then parts": lambda: _roman("images/test/{c}/{n}.png")() | others("images/train/{c}/{n}.png", LETTERS),
    "parts, then images": lambda: _roman("test/images/{c}/{n}.png")() | others("train/images/{c}/{n}.png", LETTERS),
    "unlabelled test": lambda: _roman("val/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS)
    | others("test/{n}.png", LETTERS),
    "unlabelled test in a folder": lambda: _roman("val/{c}/{n}.png")() | others("train/{c}/{n}.png", LETTERS)
    | others("test/unknown/{n}.png", LETTERS),
    "test and extra": lambda: _roman("test/{c}/{n}.png")() | others("extra/{c}/{n}.png", LETTERS),
    "folds": lambda: {**_writers("fold1", "fold2")},
    "writers": lambda: {**_writers("anna", "bert")},
    "years": lambda: {**_writers("2019", "2020", "2021")},
    "resolutions": lambda: _roman("16x16/{c}/{n}.png")() | others("32x32/{c}/{n}.png", LETTERS),
    "original and augmented": lambda: _roman("original/{c}/{n}.png")() | others("augmented/{c}/{n}.png", LETTERS),
    "clean and noisy": lambda: _roman("clean/{c}/{n}.png")() | others("noisy/{c}/{n}.png", LETTERS),
    "superclasses": _superclasses,
    "superclasses in a part": lambda: {f"test/{name}": content for name, content in _superclasses().items()},
    "loose pictures": _roman("{c}-{n}.png"),
    "loose pictures in one folder": _roman("all/{c}-{n}.png"),
    "a loose picture": lambda: _roman("{c}/{n}.png")() | {"sample.png": encoded(digits().pixels[0])},
    "thumbnails in each class": lambda: _roman("{c}/{n}.png")() | others("{c}/thumbs/{n}.png", LETTERS),
    "thumbnails in one class": lambda: _roman("{c}/{n}.png")()
    | {"a/thumbs/1.png": encoded(digits().pixels[0])},
    "masks beside": lambda: _roman("images/{c}/{n}.png")() | others("masks/{c}/{n}.png", LETTERS),
    "masks in the same folder": lambda: _roman("{c}/{n}.png")() | others("{c}/{n}_mask.png", LETTERS),
    "a class in the training part alone": lambda: {
        name: content for name, content in _roman("test/{c}/{n}.png")().items() if not name.startswith("test/e/")
    } | others("train/{c}/{n}.png", LETTERS),
    "a folder of samples": lambda: _roman("{c}/{n}.png")() | others("samples/{n}.png", LETTERS),
    "numbers deep": partial(named, "{c}/{n}/0.png", LETTERS),
    "a checkpoint folder beside": lambda: _roman("{c}/{n}.png")() | {"checkpoints/model.pth": b"x"},
    "hidden folder": lambda: _roman("{c}/{n}.png")() | others(".cache/{c}/{n}.png", LETTERS),
    "hidden files": lambda: _roman("{c}/{n}.png")() | {
        "a/.DS_Store": b"x", "a/Thumbs.db": b"x", "a/desktop.ini": b"x", "a/._0001.png": b"x"
    },
    "a class twice in parts": lambda: _roman("test_a/{c}/{n}.png")() | others("test_b/{c}/{n}.png", LETTERS),
}  # fmt: skip


def _images_of(name: str) -> Images | None:
    """What a layout holds of the digits, where that is not all."""
    if name != "a class in the training part alone":
        return None
    kept = digits().labels != LETTERS.index("e")
    return Images(pixels=digits().pixels[kept], labels=digits().labels[kept])


IN_LAYOUTS = [
    Input(name=f"layout: {name}", make=as_files(make), images=_images_of(name)) for name, make in LAYOUTS.items()
]
IN_CONTAINERS = [
    Input(name=f"container {how}: {name}", make=packed(make, how))
    for how in CONTAINERS[1:]
    for name, make in {
        "letters": _roman("{c}/{n}.png"), "below": _roman("top/{c}/{n}.png"),
        "train and test": LAYOUTS["train and test"], "dot": _roman("./{c}/{n}.png"),
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
        "a zip for each class": lambda root: next(
            zipped(root / "set", {n: x for n, x in named("{c}/{n}.png", LETTERS).items() if n[0] == c}, f"{c}.zip")
            for c in LETTERS
        ).parent,
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


def _beside(**files: str | bytes) -> Callable[[], Files]:
    texts = {name.replace("__", "/").replace("_DOT_", "."): content for name, content in files.items()}
    return lambda: (
        named("{c}/{n}.png", LETTERS)
        | {name: content.encode() if isinstance(content, str) else content for name, content in texts.items()}
    )


def _table(rows: Callable[[list[tuple[str, int]]], str], name: str = "labels.csv", place: str = "{n}.png") -> Files:
    """Pictures in one folder, and a table of their classes."""
    files = named(place)
    pairs = [(file.rpartition("/")[2], int(label)) for file, label in zip(files, digits().labels, strict=True)]
    return files | {name: rows(pairs).encode()}


def _rows(form: str, head: str = "") -> Callable[[list[tuple[str, int]]], str]:
    return lambda pairs: (
        head
        + "".join(
            form.format(
                f=file, s=file.rpartition(".")[0], y=label, z=label + 1, w=WORDS[label], c=LETTERS[label], n=number
            )
            + "\n"
            for number, (file, label) in enumerate(pairs)
        )
    )


TEXTS = inputs(
    "class list",
    {
        name: as_files(_beside(**files))
        for name, files in {
            "in order": {"classes_DOT_txt": "\n".join(LETTERS)},
            "in another order": {"classes_DOT_txt": "\n".join(reversed(LETTERS))},
            "with more": {"classes_DOT_txt": "\n".join("abcdefghijkl")},
            "with numbers": {"labels_DOT_txt": "\n".join(f"{n} {c}" for n, c in enumerate(LETTERS))},
            "with other numbers": {"labels_DOT_txt": "\n".join(f"{9 - n} {c}" for n, c in enumerate(LETTERS))},
            "json": {"class_to_idx_DOT_json": json.dumps({c: n for n, c in enumerate(LETTERS)})},
            "json of other numbers": {"class_to_idx_DOT_json": json.dumps({c: 9 - n for n, c in enumerate(LETTERS)})},
            "json of names": {"class_names_DOT_json": json.dumps([*reversed(LETTERS)])},
            "json the other way": {"idx_to_class_DOT_json": json.dumps({9 - n: c for n, c in enumerate(LETTERS)})},
            "yaml": {"data_DOT_yaml": "names: [j, i, h, g, f, e, d, c, b, a]\n"},
            "yaml of classes": {"classes_DOT_yaml": "names: [j, i, h, g, f, e, d, c, b, a]\n"},
            "of some": {"classes_DOT_txt": "a\nb\nc"},
            "readme": {"README_DOT_md": "j i h g f e d c b a"},
            "csv of classes": {"classes_DOT_csv": "".join(f"{9 - n},{c}\n" for n, c in enumerate(LETTERS))},
            "a table of labels": {"labels_DOT_csv": "0000.png,3\n"},
            "in a class folder": {"a__classes_DOT_txt": "\n".join(reversed(LETTERS))},
        }.items()
    },
) + inputs(
    "label table",
    {
        name: as_files(make)
        for name, make in {
            "csv": partial(_table, _rows("{f},{y}")),
            "csv with head": partial(_table, _rows("{f},{y}", "filename,label\n")),
            "csv, label first": partial(_table, _rows("{y},{f}", "label,filename\n")),
            "csv, without suffixes": partial(_table, _rows("{s},{y}", "id,label\n")),
            "csv with an index": partial(_table, _rows("{n},{f},{y}", ",file,label\n")),
            "csv, semicolons": partial(_table, _rows("{f};{y}", "file;label\n")),
            "csv, quoted": partial(_table, _rows('"{f}","{y}"', '"file","label"\n')),
            "csv, letters": partial(_table, _rows("{f},{c}", "file,label\n")),
            "csv, from 1": partial(_table, _rows("{f},{z}", "file,label\n")),
            "csv, words": partial(_table, _rows("{f},{w}", "file,label\n")),
            "csv, two labels": partial(_table, _rows("{f},{y},{w}", "file,label,name\n")),
            "csv, two labels without head": partial(_table, _rows("{f},{w},{y}")),
            "csv, label and weight": partial(_table, _rows("{f},{n},{y}", "file,weight,label\n")),
            "csv, label and another number": partial(_table, _rows("{f},{n},{y}", "file,x,y\n")),
            "csv with byte order mark": partial(_table, _rows("{f},{y}", "\ufefffile,label\n")),
            "csv with paths": partial(_table, _rows("images/{f},{y}", "file,label\n"), "labels.csv", "images/{n}.png"),
            "csv, floats": partial(_table, _rows("{f},{y}.0", "file,label\n")),
            "tsv": partial(_table, _rows("{f}\t{y}"), "labels.tsv"),
            "txt": partial(_table, _rows("{f} {y}"), "labels.txt"),
            "txt, in test": partial(_table, _rows("{f} {y}"), "test/labels.txt", "test/images/{n}.png"),
            "csv, one missing": partial(_table, lambda pairs: _rows("{f},{y}")(pairs[1:])),
            "csv, one twice": partial(_table, lambda pairs: _rows("{f},{y}")(pairs + pairs[:1])),
            "csv, one label empty": partial(_table, lambda pairs: _rows("{f},{y}")(pairs).replace(",3\n", ",\n", 1)),
            "json": partial(_table, lambda pairs: json.dumps(dict(pairs)), "labels.json"),
            "only labels in order": partial(_table, _rows("{y}"), "labels.txt"),
            "one-hot": partial(_table, lambda pairs: "file," + ",".join(LETTERS) + "\n" + "".join(
                f"{file}," + ",".join(str(int(label == n)) for n in range(CLASSES)) + "\n" for file, label in pairs
            )),
        }.items()
    },
) + inputs(
    "label tables",
    {
        "two that differ": as_files(lambda: _table(_rows("{f},{y}", "file,label\n"))
                                    | {"truth.csv": _rows("{f},{z}")([("0000.png", 3)]).encode()}),
        "labels in the name": as_files(partial(named, "{n}_{c}.png")),
    },
)  # fmt: skip


def _linked(root: Path) -> Path:
    made = folder(root, named("{c}/{n}.png", LETTERS))
    (made / "a").rename(root / "elsewhere")
    (made / "a").symlink_to(root / "elsewhere")
    return made


def _broken(root: Path) -> Path:
    made = folder(root, named("{c}/{n}.png", LETTERS))
    (made / "a" / "gone.png").symlink_to(root / "nowhere")
    return made


def _unreadable(root: Path) -> Path:
    made = folder(root, named("{c}/{n}.png", LETTERS))
    (made / os.fsdecode(b"\xff")).mkdir()
    (made / os.fsdecode(b"\xff") / "x.png").write_bytes(encoded(digits().pixels[0]))
    return made


def _without(number: int) -> Images:
    kept = digits().labels != number
    return Images(pixels=digits().pixels[kept], labels=digits().labels[kept])


def _without_files(number: int) -> Files:
    return named("{c}/{n}.png", LETTERS, images=_without(number))


STRAY = [
  *inputs(
    "stray",
    {
        "npz": as_files(lambda: named("{c}/{n}.png", LETTERS) | {"set.npz": b"PK"}),
        "zip": as_files(lambda: named("{c}/{n}.png", LETTERS) | {"set.zip": b"PK"}),
        "html": as_files(lambda: named("{c}/{n}.png", LETTERS) | {"a/index.html": b"<"}),
        "a picture of the set": as_files(lambda: named("x/{c}/{n}.png", LETTERS) | {"x.jpg": b"\xff\xd8"}),
        "a linked class": _linked,
        "a broken link": _broken,
        "a class of no name": _unreadable,
        "an eleventh class": as_files(lambda: named("{c}/{n}.png", LETTERS) | {"k/1.png": encoded(digits().pixels[0])}),
        "an eleventh class, empty": lambda root: folder(root, named("{c}/{n}.png", LETTERS), ["k"]),
        "logs beside": as_files(lambda: named("{c}/{n}.png", LETTERS) | {"logs/a.log": b"x", "logs/loss.csv": b"1"}),
        "an annotation a picture": as_files(
            lambda: named("{c}/{n}.png", LETTERS) | named("{c}/{n}.xml", LETTERS, lambda _: b"<a/>")
        ),
    },
  ),
    Input(name="stray: doubles", images=Images(
        pixels=np.concatenate([digits().pixels] * 2), labels=np.concatenate([digits().labels] * 2)
    ), make=as_files(lambda: named("{c}/{n}.png", LETTERS) | named("{c}/copy-{n}.png", LETTERS))),
    Input(name="stray: the first class empty", images=_without(0),
          make=lambda root: folder(root, _without_files(0), ["a"])),
    Input(name="stray: a middle class empty", images=_without(4),
          make=lambda root: folder(root, _without_files(4), ["e"])),
    Input(name="stray: the last class empty", images=_without(9),
          make=lambda root: folder(root, _without_files(9), ["j"])),
    Input(name="stray: a class missing", images=_without(4), make=as_files(partial(_without_files, 4))),
    Input(name="stray: a class missing, allowed", images=_without(4), make=as_files(partial(_without_files, 4)),
          options=Options(classes=ClassReading(allow_fewer_classes=True))),
    Input(name="stray: the last class missing, allowed", images=_without(9), make=as_files(partial(_without_files, 9)),
          options=Options(classes=ClassReading(allow_fewer_classes=True))),
    Input(name="stray: a class of .heic", images=_without(4),
          make=as_files(lambda: _without_files(4) | {"e/1.heic": b"x"})),
]  # fmt: skip

ALL = [
    *FORMATS, *SIZES, *CLASS_NAMES, *ORDERS, *IN_LAYOUTS, *IN_CONTAINERS, *TEXTS, *STRAY
]  # fmt: skip
