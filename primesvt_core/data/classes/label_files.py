"""Files beside pictures that say which classes there are and in which order, or which picture is of which class."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from primesvt_core.data._base import refuse
from primesvt_core.data.classes.class_order import composed
from primesvt_core.data.files.listing import Listing, Place, place_of, suffix_of
from primesvt_core.data.parts.part_names import words

TELLING = frozenset(
    words(
        "class classes classnames label labels names wnids wnid words synset synsets category categories annotation"
        " annotations truth groundtruth solution solutions metadata mapping targets index"
    )
)
"""Words in the names of files that say something of classes."""

ABOUT = TELLING | {"meta", "info", "doc", "docs"}
"""Words of the names of folders that hold no pictures, and are no classes."""

HEADS = TELLING | {"id", "ids", "name", "number", "idx", "no", "file", "filename", "image", "path"}
"""Words of the heads of columns."""

TABLES = {".csv", ".tsv", ".txt"}
KNOWN_SUFFIXES = TABLES | {".json", ".jsonl", ".yaml", ".yml", ".xml", ".mat", ".names", ".pkl", ".parquet", ".xlsx"}
SPEAKING = {".csv", ".tsv", ".names"}
DICTIONARIES = {"words.txt"}
"""What explains names of classes, of far more than are there."""

MOST_FILES = 64
"""Texts that are looked into; more are one a picture."""

LABEL_COLUMNS = ("label", "labels", "class", "classid", "category", "target", "breed", "species", "predictionstring")
"""Heads of columns with labels, in small letters without signs between."""

FIRST_WORD = "predictionstring"
"""A column of ImageNet's, as Kaggle packs it: the label, then where in the picture, perhaps several times."""


def label_files(listing: Listing, used: Collection[str]) -> tuple[str, ...]:
    """Files by whose names they say something of classes, but for those that were used."""
    return tuple(
        name for name in listing.others if name not in used and suffix_of(name) in KNOWN_SUFFIXES and _tells(name)
    )


def _tells(name: str) -> bool:
    return bool(TELLING & {*words(PurePosixPath(name).stem)}) or suffix_of(name) in SPEAKING


def class_places(listing: Listing) -> frozenset[Place]:
    """Folders that may be classes': but for those without pictures that hold, or are called by, labels alone."""
    telling = {*label_files(listing, ())}
    pictured = _with_above(listing.images)
    holding = _with_above(place_of(name) for name in listing.others)
    spoken = _with_above(place_of(name) for name in listing.others if name not in telling)
    return frozenset(
        place
        for place in listing.folders
        if place in pictured
        or ((place in spoken or place not in holding) and not (place and ABOUT.issuperset(words(place[-1]))))
    )


def _with_above(places: Iterable[Place]) -> set[Place]:
    """The folders and those that they lie in."""
    return {place[:depth] for place in {*places} for depth in range(len(place) + 1)}


@dataclass(frozen=True)
class LabelTable:
    """A file that gives every picture of a folder its class.

    Attributes:
        name: of the file.
        labels: class by the name of the picture.
    """

    name: str
    labels: Mapping[str, str]


def label_table(listing: Listing, place: Place, images: Sequence[str]) -> LabelTable | None:
    """The table, in the pictures' folder or one above, that gives the pictures of one folder their classes.

    Args:
        listing: of the data set.
        place: the folder.
        images: the pictures in it.

    Raises:
        DataError: a table has some of the pictures, or two tables say otherwise.
    """
    texts = [
        name for name in listing.texts if suffix_of(name) in TABLES and place_of(name) == place[: len(place_of(name))]
    ]
    found = [table for name in texts[:MOST_FILES] if (table := _table(name, _text(listing, name), images)) is not None]
    if not found:
        return None
    if other := next((table for table in found[1:] if table.labels != found[0].labels), None):
        raise refuse(
            "data_classes", f"{found[0].name} and {other.name} in {listing.name} give pictures other classes; keep one"
        )
    return found[0]


def _table(name: str, text: str, images: Sequence[str]) -> LabelTable | None:
    rows = _rows(text)
    by_key = {key: image for image in images for key in (PurePosixPath(image).name, PurePosixPath(image).stem)}
    columns = max(map(len, rows[:2]), default=0)
    keys = [[_key(row[column], by_key) if column < len(row) else "" for row in rows] for column in range(columns)]
    names = {PurePosixPath(image).name for image in images}
    matches = [(len({*column} & by_key.keys()), len({*column} & names)) for column in keys]
    best = matches.index(max(matches)) if matches else 0
    if not matches or _is_chance(*matches[best], len(images)):
        return None
    label_of = _label_column(rows[0], best, columns, has_head=keys[best][0] not in by_key)
    if label_of is None:
        return None
    named = [(by_key[key], row) for key, row in zip(keys[best], rows, strict=True) if key in by_key]
    found = {image: composed(label_of(row)) for image, row in named}
    _check_table(name, found, len(named), images)
    return LabelTable(name, found)


def _is_chance(matches: int, whole: int, images: int) -> bool:
    """Whether so few cells name pictures, and without their suffixes, that they may be any numbers."""
    return not whole and 2 * matches < images


def _check_table(name: str, found: Mapping[str, str], rows: int, images: Sequence[str]) -> None:
    if missing := next((image for image in images if not found.get(image)), None):
        count = sum(map(bool, found.values()))
        raise refuse(
            "data_classes", f"{name} has the classes of {count:,} of {len(images):,} pictures, and not of {missing}"
        )
    if rows > len(found):
        raise refuse("data_classes", f"{name} has a picture in more than one row; keep one row a picture")


def _key(cell: str, known: Mapping[str, str]) -> str:
    """The cell as a key of ``known``, if it is one: a picture's name, perhaps behind folders."""
    name = PurePosixPath(cell).name
    return name if name in known else PurePosixPath(name).stem


def _label_column(
    head: Sequence[str], images: int, columns: int, *, has_head: bool
) -> Callable[[Sequence[str]], str] | None:
    """Reads a row's label; None where nothing says which column has it."""
    heads = [re.sub(r"[^a-z]", "", cell.lower()) for cell in head] if has_head else []
    others = [column for column in range(columns) if column != images]
    named = [column for label in LABEL_COLUMNS for column in others if column < len(heads) and heads[column] == label]
    if named and heads[named[0]] == FIRST_WORD:
        return lambda row: _cell(row, named[0]).partition(" ")[0]
    if named or len(others) == 1:
        return lambda row: _cell(row, (named or others)[0])
    if has_head or images + 1 not in others:
        return None
    return lambda row: _cell(row, images + 1)  # as Tiny-ImageNet's: picture, class, and a box


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _rows(text: str) -> list[list[str]]:
    """Rows of cells, separated by what separates the first line; none if that is no table."""
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    delimiter = next((sign for sign in "\t,;" if sign in first), None)
    if delimiter is None:
        return [line.split() for line in lines]
    try:
        return [*csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return []


def _text(listing: Listing, name: str) -> str:
    try:
        return listing.read(name).decode("utf-8-sig")
    except (UnicodeDecodeError, KeyError):
        return ""


@dataclass(frozen=True)
class ClassList:
    """A file that lists the classes.

    Attributes:
        name: of the file.
        classes: all that it lists, in its order, as the folders are called where there are such folders.
    """

    name: str
    classes: tuple[str, ...]


def class_lists(listing: Listing, classes: Collection[str]) -> tuple[ClassList, ...]:
    """The files that list all of the classes."""
    texts = [name for name in listing.texts if _tells(name)]
    texts = [name for name in texts[:MOST_FILES] if PurePosixPath(name).name.lower() not in DICTIONARIES]
    found = ((name, _list(_text(listing, name), classes)) for name in texts)
    return tuple(ClassList(name, listed) for name, listed in found if listed is not None)


def _list(text: str, classes: Collection[str]) -> tuple[str, ...] | None:
    wanted = {_bare(name): name for name in classes}
    for names in _readings(text):
        bare = [_bare(name) for name in names]
        if len(wanted) == len(classes) and wanted.keys() <= {*bare} and len({*bare}) == len(bare):
            return tuple(wanted.get(key, composed(name)) for key, name in zip(bare, names, strict=True))
    return None


def _bare(name: str) -> str:
    """A name without what lists and folders write differently: ``Hot Dog`` is called ``hot_dog``."""
    return re.sub(r"[\W_]+", " ", composed(name).casefold()).strip() or name


def _readings(text: str) -> Iterator[list[str]]:
    """What may be the names in a list: whole lines, what stands before or behind a number or a separator."""
    if text.lstrip()[:1] in ("{", "["):
        yield from _from_json(text)
        return
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and HEADS.issuperset(words(lines[0])):
        del lines[0]
    yield lines
    for numbered in (r"(?P<number>\d+)[\s:,;.)]+(?P<name>.+)", r"(?P<name>.+?)[\s:,;]+(?P<number>\d+)"):
        if all(found := [re.fullmatch(numbered, line) for line in lines]):
            ordered = sorted((int(one["number"]), one["name"]) for one in found if one)
            yield [name for _, name in ordered]
    for separator in (r"[\t,;]", r"\s"):
        yield [re.split(separator, line, maxsplit=1)[0] for line in lines]


def _from_json(text: str) -> Iterator[list[str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(found, list):
        yield [name for name in found if isinstance(name, str)]
    if not isinstance(found, dict):
        return
    if all(isinstance(number, int) for number in found.values()):  # class to number
        yield sorted(found, key=lambda name: found[name])
    if all(key.isdecimal() for key in found):  # number to class, or to its names
        rows = [found[key] for key in sorted(found, key=int)]
        yield [name for name in _firsts(rows) if name]


def _firsts(rows: Iterable[object]) -> Iterator[str]:
    for row in rows:
        first = row[0] if isinstance(row, list) and row else row
        yield first if isinstance(first, str) else ""
