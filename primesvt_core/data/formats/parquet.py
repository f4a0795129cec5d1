"""Parquet files as Hugging Face publishes sets of pictures: files in one column, numbers of classes in another.

They are read by pyarrow, which is not needed for anything else: ``pip install 'primesvt[parquet]'``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, Part, refuse
from primesvt_core.data.files.archives import check_growth
from primesvt_core.data.files.spool import Spool
from primesvt_core.data.formats.arrays import beginning_notes, label_numbers, some
from primesvt_core.data.parts.parts import chosen, instead, part_of
from primesvt_core.data.pixels.images import decode_image
from primesvt_core.data.unlabelled import HINT, no_labels, unlabelled_note
from primesvt_core.errors import DataError

SUFFIX = ".parquet"
MAGIC = b"PAR1"
METADATA = b"huggingface"
SHARD = re.compile(r"(\d{5})-of-(\d{5})")
ROWS = 64
"""Pictures that are in memory at once."""

MAX_FILE_BYTES = 64 << 20
PREFERRED = ("label", "labels", "fine_label")
"""Columns of numbers, of which the first that is there is read where there are several; CIFAR-100 has two."""


def is_parquet(path: Path) -> bool:
    """Whether a file is a Parquet file, by its first and last bytes."""
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
        file.seek(-len(MAGIC), 2) if head == MAGIC else None
        return head == MAGIC == file.read(len(MAGIC))


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Which columns of a file are read.

    Attributes:
        image: bytes of picture files, alone or in a struct.
        label: integers; None where there are no labels.
        is_struct: whether the image's bytes are in a struct.
        classes: their names; empty where the file does not have them.
        unread: all others.
    """

    image: str
    label: str | None
    is_struct: bool
    classes: tuple[str, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True)
class _Pictures:
    """Picture files and their labels, as far as they were read."""

    spool: Spool = field(default_factory=Spool)
    places: list[tuple[int, int]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    """Where there are any."""

    def append(self, content: bytes, label: int | None) -> None:
        self.places.append((self.spool.append(content), len(content)))
        self.digests.append(hashlib.sha256(content).hexdigest())
        if label is not None:
            self.labels.append(label)


def from_parquet(path: Path, part: Part | None, *, may_lack_labels: bool = False) -> DataSet:
    """Pictures and labels of one part, read once, front to back, into one temporary file.

    Args:
        path: a file, or a folder with the files of one data set, somewhere below it, each named after its part.
        part: training or test data, where the folder has both; test data by default.
        may_lack_labels: whether pictures alone do.

    Raises:
        DataError: if pyarrow is missing, files are missing or damaged, or it is not clear which columns are meant.
    """
    _check_reader(path)
    files, read = ([path], "") if path.is_file() else _files_of_part(path, part)
    columns = _columns(files[0], may_lack_labels)
    if any(_columns(file, may_lack_labels) != columns for file in files[1:]):
        raise refuse("data_format", f"the files of {path.name} ({some(f.name for f in files)}) have different columns")
    pictures = _Pictures()
    for file in files:
        _read(file, columns, pictures)
    if not pictures.places:
        raise refuse("data_empty", f"{path.name} holds no images")
    labels, count, told = _labels(path, columns, pictures)
    notes = (*_shard_note(path), *instead(path.name, read, part), *told)
    if columns.unread:
        taken = " and ".join(filter(None, (columns.image, columns.label)))
        were = "were" if columns.label else "was"
        notes = (*notes, f"{path.name} has {some(columns.unread)}, too; {taken} {were} read.")
    return DataSet(
        name=f"{path.name} ({read} part)" if read else path.name,
        kind="images",
        classes=columns.classes or tuple(map(str, range(count))),
        labels=labels,
        decode=lambda index: decode_image(
            f"image {index} of {path.name}", pictures.spool.read(*pictures.places[index])
        ),
        digest=lambda: hashlib.sha256("\n".join(pictures.digests).encode()).hexdigest(),
        notes=notes,
        other_part="train" if part is None and _has_training_beside(path, read) else None,
        is_labelled=columns.label is not None,
    )


def _labels(path: Path, columns: _Columns, pictures: _Pictures) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """The labels, the number of classes that they tell of, and what is to be noted of them."""
    if columns.label is None:
        samples = len(pictures.places)
        return no_labels(samples), 0, (unlabelled_note(path.name, samples),)
    labels, count = label_numbers(path.name, np.array(pictures.labels, np.int64))
    if columns.classes and count > len(columns.classes):
        raise refuse("data_classes", f"{path.name} has the label {count - 1}; that is no class")
    return labels, count, beginning_notes(path.name, labels)


def _has_training_beside(path: Path, read: str) -> bool:
    """Whether a folder has training data beside the part that was read, which can be opened."""
    if path.is_file() or read == "train":
        return False
    try:
        return _files_of_part(path, "train")[1] == "train"
    except DataError:  # as it will be for whoever wants them
        return False


def _check_reader(path: Path) -> None:
    try:
        import_module("pyarrow")
    except ImportError:
        raise refuse(
            "data_format", f"{path.name} is of Parquet files, which pyarrow reads: pip install 'primesvt[parquet]'"
        ) from None


def _shard_note(path: Path) -> tuple[str, ...]:
    shard = SHARD.search(path.name)
    if path.is_dir() or shard is None or int(shard[2]) < 2:
        return ()
    return (f"{path.name} is one of {int(shard[2])} files; give their folder to read all of them.",)


def _files_of_part(folder: Path, part: Part | None) -> tuple[list[Path], str]:
    """The files of the part that is wanted, in order, and which part it is."""
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob(f"*{SUFFIX}")):
        if not file.name.startswith("."):
            named = part_of(file.stem) or next(filter(None, map(part_of, file.relative_to(folder).parts[-2::-1])), "")
            found.setdefault(named, []).append(file)
    name = chosen(found, part)
    if name is None:
        raise refuse("data_empty", f"{folder.name} holds no {SUFFIX} files")
    if not name and len(found) > 1:
        names = some(file.name for files in found.values() for file in files)
        raise refuse(
            "data_format", f"{folder.name} has files of parts and others ({names}); give one of them, or a folder"
        )
    files = found[name]
    _check_complete(folder, files)
    return files, name


def _check_complete(folder: Path, files: Sequence[Path]) -> None:
    """Refuse files of several data sets, and a data set of which files are missing."""
    places = sorted({file.parent.relative_to(folder).as_posix() for file in files})
    if len(places) > 1:
        raise refuse("data_format", f"{folder.name} holds several data sets ({some(places)}); give the folder of one")
    shards = [shard for file in files if (shard := SHARD.search(file.name))]
    numbers, totals = sorted(int(shard[1]) for shard in shards), {int(shard[2]) for shard in shards}
    if shards and (len(shards) < len(files) or len(totals) > 1 or numbers != [*range(max(totals))]):
        names = some(file.name for file in files)
        raise refuse(
            "data_format", f"of the {max(totals)} files of {folder.name} others are there: {names}; all are needed"
        )


def _columns(path: Path, may_lack_labels: bool) -> _Columns:
    """Which columns of a file hold the pictures and the labels."""
    from pyarrow import types

    schema = _opened(path).schema_arrow
    images = {one.name: types.is_struct(one.type) for one in schema if _is_bytes(one.type)}
    names = _class_names(schema)
    integers = [one.name for one in schema if types.is_integer(one.type)]
    labels = [name for name in integers if name in names] or integers
    preferred = [name for name in PREFERRED if name in labels]
    label = preferred[0] if preferred else labels[0] if len(labels) == 1 else None
    if len(images) != 1 or (label is None and not may_lack_labels):
        hint = HINT if len(images) == 1 and not labels else ""
        raise refuse(
            "data_format",
            f"{path.name} has the columns {some(f'{one.name} ({one.type})' for one in schema)}; it needs one with the"
            f" bytes of pictures, alone or as 'bytes' in a struct, and one with integers called 'label'{hint}",
        )
    [(image, is_struct)] = images.items()
    unread = tuple(one.name for one in schema if one.name not in (image, label))
    classes = () if label is None else names.get(label, ())
    return _Columns(image=image, label=label, is_struct=is_struct, classes=classes, unread=unread)


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _is_bytes(kind.field(index).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """The names of the classes of every column that has them, as the ``datasets`` library keeps them."""
    try:
        features = json.loads((schema.metadata or {}).get(METADATA, b"{}"))["info"]["features"]
        found = {name: one["names"] for name, one in features.items() if "names" in one}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        name: tuple(names)
        for name, names in found.items()
        if isinstance(names, list) and all(isinstance(one, str) for one in names)
    }


def _opened(path: Path) -> Any:
    """The file, by pyarrow.

    Raises:
        DataError: if it is damaged.
    """
    from pyarrow import ArrowException, parquet

    try:
        return parquet.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    except MemoryError:
        raise
    except (ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> Exception:
    reason = str(error).partition("\n")[0]
    return refuse("data_undecodable", f"{path.name} cannot be read ({reason}); it may be cut short or damaged")


def _read(path: Path, columns: _Columns, into: _Pictures) -> None:
    """Every row of a file."""
    from pyarrow import ArrowException

    packed, unpacked = path.stat().st_size, 0
    try:
        for row, (content, label) in enumerate(_rows(path, columns)):
            if content is None or (label is None and columns.label is not None):
                missing = columns.image if content is None else columns.label
                raise refuse("data_format", f"row {row} of {path.name} has no {missing}; its files must be in it")
            unpacked += len(content)
            if len(content) > MAX_FILE_BYTES:
                raise refuse("data_unsafe", f"row {row} of {path.name} has an image of {len(content):,} bytes")
            check_growth(path.name, unpacked, packed)
            into.append(content, label)
    except MemoryError:
        raise
    except (ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _rows(path: Path, columns: _Columns) -> Iterator[tuple[bytes | None, int | None]]:
    wanted = [columns.image, *([] if columns.label is None else [columns.label])]
    for batch in _opened(path).iter_batches(batch_size=ROWS, columns=wanted, use_threads=False):
        images = batch.column(columns.image)
        if columns.is_struct:
            images = images.field("bytes")
        contents = images.to_pylist()
        labels = [None] * len(contents) if columns.label is None else batch.column(columns.label).to_pylist()
        yield from zip(contents, labels, strict=True)
