"""Texts that say which classes there are, or which picture is of which, and whatever else lies beside pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from primesvt_core.spec import ClassReading
from tests.inputs.case import CLASSES, Images, Input, Options, digits, inputs
from tests.inputs.files import (
    LETTERS,
    WORDS,
    Files,
    as_files,
    encoded,
    folder,
    named,
)


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


ALL = [*TEXTS, *STRAY]
