"""Which of the formats a path holds; found by content, whatever the file is called."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from primesvt_core.data._base import DataSet, Part, readable, refuse
from primesvt_core.data.classes.class_notes import beside_notes
from primesvt_core.data.classes.class_order import ClassOrder, renumbered
from primesvt_core.data.files import carried
from primesvt_core.data.files.archives import is_zip, members
from primesvt_core.data.files.listing import MAX_FILE_BYTES, Listing, is_image, list_folder, list_tar, list_zip, visited
from primesvt_core.data.files.scratch import told_full
from primesvt_core.data.formats import frames
from primesvt_core.data.formats.array_files import ArrayFile
from primesvt_core.data.formats.cifar import from_cifar, is_cifar
from primesvt_core.data.formats.frames import FRAME_FILES
from primesvt_core.data.formats.idx import from_idx
from primesvt_core.data.formats.image_sets import image_set
from primesvt_core.data.formats.npy import from_npy, is_npy
from primesvt_core.data.formats.npz import from_npz
from primesvt_core.data.formats.parquet import from_parquet, is_parquet
from primesvt_core.data.unlabelled import HINT
from primesvt_core.errors import DataError, ScratchFull
from primesvt_core.prerequisites import check_labelled

DEEPEST = 2
"""Archives within archives that are opened; a folder that holds one and is packed to be sent makes two."""

MAX_NAMES = 1 << 20
"""Characters of all classes' names together; those of ImageNet-21k have a fifth of it."""

MOST_BESIDE = 1000
"""Entries of a folder among which the name is sought that was meant by one that is not there."""

UNDERSTOOD = (
    "an ImageFolder folder or archive (.zip, .tar, .tar.gz, .tar.xz), an .npz with 'images' and 'labels',"
    " Parquet files with a column of pictures, the MNIST family's IDX files, or CIFAR's python archive"
)


@dataclass(frozen=True)
class _Wanted:
    """What is to be read.

    Attributes:
        part: training or test data, where the data set has both; None for the default.
        order: how its classes are numbered.
        may_lack_labels: whether a data set without labels does.
    """

    part: Part | None
    order: ClassOrder
    may_lack_labels: bool

    def pictures(self, listing: Listing) -> DataSet:
        """Those of a folder or archive."""
        return image_set(listing, self.part or "test", self.order, may_lack_labels=self.may_lack_labels)


def open_data(
    source: Path | DataSet,
    part: Part | None = None,
    order: ClassOrder = ClassOrder(),  # noqa: B008  # frozen
    *,
    may_lack_labels: bool = False,
) -> DataSet:
    """Open a data set.

    Args:
        source: a file or folder in one of the formats; a data set is one already.
        part: training or test data, where the data set has both; test data by default.
        order: how its classes are numbered.
        may_lack_labels: whether a data set without labels is one; refused otherwise.

    Raises:
        DataError: with a stable ``error_code``, naming the file and what is wrong with it.
        ScratchFull: there is no room for what it unpacks to.
    """
    if isinstance(source, DataSet):
        check_labelled(source.name, is_labelled=source.is_labelled, by_disagreement=may_lack_labels)
        return _in_order(source, order)
    return _open_path(source, _Wanted(part, order, may_lack_labels))


Opened = TypeVar("Opened")


def with_labels_first(opened: Callable[[bool], Opened], is_labelled: Callable[[Opened], bool]) -> Opened:
    """What is opened with its labels where it can be, and without where it has none: one folder may be a class.

    Args:
        opened: opens it; receives whether it may lack labels.
        is_labelled: whether what was opened has labels.

    Raises:
        DataError: as it is refused with labels, where that is not because it has none.
    """
    try:
        return opened(False)
    except DataError as refusal:
        if refusal.error_code in ("data_format", "data_unlabelled"):  # others have classes, which are wrong
            with suppress(DataError):
                found = opened(True)
                if not is_labelled(found):
                    return found
        raise


def _in_order(data: DataSet, order: ClassOrder) -> DataSet:
    """The data set with its classes numbered as they are listed; one without labels has none."""
    return renumbered(data, order.names) if data.is_labelled else data


def _beside(path: Path) -> str:
    """What may have been meant by a relative path: names like the one that is not there, in the nearest folder that is.

    Whoever gives a whole path may be a service, whose folders are no client's to see.
    """
    if path.is_absolute():
        return ""
    missing, parent = path, path.parent
    while not parent.is_dir() and parent != parent.parent:
        missing, parent = parent, parent.parent
    with suppress(OSError):
        if near := get_close_matches(missing.name, [entry.name for entry in islice(parent.iterdir(), MOST_BESIDE)]):
            return f"; did you mean {' or '.join(str(parent / name) for name in near)}?"
    return f"; a relative path begins in {Path.cwd()}"


def _open_path(path: Path, wanted: _Wanted) -> DataSet:
    if not path.exists():
        raise refuse("data_format", f"there is no file or folder {path}{_beside(path)}")
    if not (path.is_file() or path.is_dir()):
        raise refuse("data_format", f"{path} is neither a file nor a folder")
    try:
        with told_full():
            return _bounded(_in_order(_open(path, wanted), wanted.order))
    except ScratchFull as error:
        raise ScratchFull(f"{readable(path.name)}: {error.message}") from None
    except (
        OSError,
        EOFError,
        LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
    ) as error:
        raise refuse(
            "data_undecodable", f"{path.name} cannot be read ({error}); it may be cut short or damaged"
        ) from None


def _bounded(data: DataSet) -> DataSet:
    """The data set, if the names of its classes can be shown and kept; its own can be written down."""
    characters = sum(map(len, data.classes))
    if characters > MAX_NAMES:
        raise refuse(
            "data_classes", f"the {len(data.classes):,} classes of {data.name} have names of {characters:,} characters"
        )
    if odd := next((name for name in data.classes if not _is_text(name)), None):
        raise refuse("data_classes", f"{data.name} has a class called {odd[:100]!r}, which is no text; rename it")
    return replace(data, name=readable(data.name))


def _is_text(name: str) -> bool:
    """Whether a name can be written down and stored; databases take no U+0000."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name


def _open(path: Path, wanted: _Wanted, depth: int = 0) -> DataSet:
    if path.is_dir():
        return _open_folder(path, wanted, depth)
    if is_zip(path):
        return _open_archive(path, wanted, depth)
    if _is_idx(path):
        return from_idx(path, wanted.part, may_lack_labels=wanted.may_lack_labels)
    if is_parquet(path):
        return from_parquet(path, wanted.part, may_lack_labels=wanted.may_lack_labels)
    if is_npy(path):
        if wanted.may_lack_labels:
            return from_npy(path)
        raise refuse("data_format", f"{path.name} is an array without labels: {UNDERSTOOD}{HINT}")
    if _is_tar(path):
        return _open_archive(path, wanted, depth)
    raise refuse("data_format", f"{path.name} is no data set that PrimeSVT understands: {UNDERSTOOD}")


def _open_folder(path: Path, wanted: _Wanted, depth: int) -> DataSet:
    """The first file that shows what a folder is decides, from the top down; archives only where nothing else does."""
    found: list[Path] = []
    for inside in visited(path):
        files = [inside.path / name for name in inside.files]
        if is_cifar({*inside.files}):
            return _open_cifar_folder(path, files, wanted.part)
        found += [file for file in files if carried.is_carried(file.name)]
        if any(map(is_image, inside.files)):
            listing = list_folder(path)
            if _pictures_are_meant(listing):
                return wanted.pictures(listing)
            opened = _open_carried(path, _carried_below(path), wanted, depth)
            return _noted(opened, path.name, listing.pictures)
    return _open_carried(path, found, wanted, depth)


def _carried_below(path: Path) -> list[Path]:
    return [one.path / name for one in visited(path) for name in one.files if carried.is_carried(name)]


def _open_carried(path: Path, found: list[Path], wanted: _Wanted, depth: int) -> DataSet:
    """A folder by the files in it that are data sets; pictures are looked for where there are none."""
    samples = (ArrayFile(file.as_posix(), file) for file in found if frames.is_sample(file.name))
    if frames.is_held_by(path.name, samples):
        return wanted.pictures(list_folder(path, FRAME_FILES))
    inner = carried.the_only(path.name, found)
    if inner is None:
        return wanted.pictures(list_folder(path))
    if inner.is_dir():
        labels = wanted.may_lack_labels
        if carried.has_idx(found):
            return from_idx(inner, wanted.part, may_lack_labels=labels)
        return from_parquet(path, wanted.part, may_lack_labels=labels)
    return replace(_open(inner, wanted, depth), name=path.name)


def _open_archive(path: Path, wanted: _Wanted, depth: int) -> DataSet:
    """As a folder with the archive's members; one without any is refused as holding no images."""
    seen: set[str] = set()
    list_ = list_zip if is_zip(path) else list_tar
    pictures: tuple[str, ...] = ()
    found: list[str] = []
    for member in members(path):
        name = PurePosixPath(member.name)
        seen.add(name.name)
        if list_ is list_zip and name.suffix == ".npy" and len(name.parts) == 1:
            return from_npz(path, wanted.part, may_lack_labels=wanted.may_lack_labels)
        if is_cifar(seen):
            return _open_cifar_archive(path, wanted.part)
        if is_image(member.name):
            listing = list_(path)
            if _pictures_are_meant(listing):
                return wanted.pictures(listing)
            pictures, found = listing.pictures, [*filter(carried.is_carried, listing.others)]
            break
        found += [member.name] if carried.is_carried(member.name) else []
    if any(map(frames.is_sample, found)) and frames.is_held_by(path.name, _samples(path)):
        return wanted.pictures(list_(path, FRAME_FILES))
    if found and depth < DEEPEST:
        opened = carried.from_carrier(path, lambda inner: _open(inner, wanted, depth + 1))
        return _noted(replace(opened, name=path.name), path.name, pictures)
    return wanted.pictures(list_(path))


def _pictures_are_meant(listing: Listing) -> bool:
    """Whether pictures are the data set, of a folder or archive that holds some, whatever else it holds."""
    return not carried.are_meant(filter(carried.is_carried, listing.others), listing.pictures)


def _noted(data: DataSet, name: str, others: Iterable[str]) -> DataSet:
    """With a note on what else could be the data set."""
    return replace(data, notes=(*data.notes, *beside_notes(name, [*others])))


def _could_be_data(name: str) -> bool:
    return is_image(name) or carried.is_carried(name)


def _samples(path: Path) -> Iterator[ArrayFile]:
    for member in members(path):
        if frames.is_sample(member.name) and member.is_plain and member.size <= MAX_FILE_BYTES:
            with member.open() as source:
                yield ArrayFile(member.name, source.read())


def _open_cifar_archive(path: Path, part: Part | None) -> DataSet:
    others: list[str] = []

    def files() -> Iterator[tuple[str, IO[bytes]]]:
        for member in members(path):
            if _could_be_data(member.name):
                others.append(member.name)
            if member.is_plain:
                with member.open() as source:
                    yield member.name, source

    data = from_cifar(path.name, files(), part)
    return _noted(data, path.name, others)


def _open_cifar_folder(path: Path, files: list[Path], part: Part | None) -> DataSet:
    with ExitStack() as opened:
        data = from_cifar(
            path.name, [(file.name, opened.enter_context(file.open("rb"))) for file in sorted(files)], part
        )
    others = [one.path / name for one in visited(path) for name in one.files if _could_be_data(name)]
    return _noted(data, path.name, [file.relative_to(path).as_posix() for file in others])


def _is_idx(path: Path) -> bool:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[3] in (1, 3, 4) and "idx" in path.name


def _is_tar(path: Path) -> bool:
    try:
        return next(members(path), None) is not None
    except (tarfile.TarError, OSError, EOFError, LZMAError, zlib.error):
        return False
