"""What lies in a folder or archive of pictures: names, and how to read one; archives are never unpacked."""

from __future__ import annotations

import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from threading import Lock

from primesvt_client.errors import Unusable
from primesvt_client.folders import HIDDEN, Contents, walk
from primesvt_core.data._base import readable, refuse
from primesvt_core.data.files.archives import Member, is_guessed, members, zip_names
from primesvt_core.data.files.carried import is_hidden
from primesvt_core.data.files.sample_files import SampleFiles
from primesvt_core.data.files.spool import Spool
from primesvt_core.data.pixels.images import decode_image

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff"
}  # fmt: skip
TEXTS = {".txt", ".csv", ".tsv", ".json", ".names"}
"""Suffixes of files that may say which classes there are, or which picture is of which."""

MAX_FILE_BYTES = 64 << 20
MAX_TEXT_BYTES = 16 << 20

Place = tuple[str, ...]
"""A folder, by the names that lead to it."""


def suffix_of(name: str) -> str:
    """How a file's name ends, in small letters: ``.png``; empty if it has no ending."""
    base = name.rpartition("/")[2]
    at = base.rfind(".")
    return base[at:].lower() if 0 < at < len(base) - 1 else ""


def is_image(name: str) -> bool:
    """Whether a file is named like a picture that people see."""
    return suffix_of(name) in SUFFIXES and not is_hidden(name)


PICTURES = SampleFiles(
    kind="images",
    suffixes=frozenset(SUFFIXES),
    select=lambda _, files: [file for file in files if suffix_of(file) in SUFFIXES],
    decode=decode_image,
    expected=f"one folder a class with {', '.join(sorted(SUFFIXES))}",
)


def place_of(name: str) -> Place:
    """The folder that a file lies in."""
    return _place(name.rpartition("/")[0])


def _place(folder: str) -> Place:
    return tuple(part for part in folder.split("/") if part not in ("", "."))


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files and folders below the root of a folder or an archive; what people do not see is left out.

    Attributes:
        name: of the folder or archive.
        images: names of pictures by the folder that they lie in; from the root, with slashes, sorted.
        others: names of the other files, sorted.
        folders: all that are there, also those without files.
        read: the content of a picture or text.
        digest: of the names and contents of some files.
        notes: how names were read, where that is not certain.
        form: which of the files are samples.
    """

    name: str
    images: Mapping[Place, tuple[str, ...]]
    others: tuple[str, ...]
    folders: frozenset[Place]
    read: Callable[[str], bytes]
    digest: Callable[[Iterable[str]], str]
    form: SampleFiles
    notes: tuple[str, ...] = ()

    @property
    def pictures(self) -> tuple[str, ...]:
        """Names of all samples."""
        return tuple(name for inside in self.images.values() for name in inside)

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of the other files that may tell of classes."""
        return tuple(name for name in self.others if suffix_of(name) in TEXTS)


def _listing(
    name: str,
    files: Iterable[str],
    folders: Iterable[str],
    read: Callable[[str], bytes],
    digest: Callable[[Iterable[str]], str],
    form: SampleFiles,
) -> Listing:
    visible = _visible(files)
    samples = form.select(name, visible)
    images: dict[Place, list[str]] = defaultdict(list)
    for file in samples:
        images[place_of(file)].append(file)
    chosen = {*samples}
    places = {*images, *(_place(folder) for folder in folders if not is_hidden(folder))}
    places |= {_place(folder) for folder in {file.rpartition("/")[0] for file in visible}}
    return Listing(
        name=name,
        images={place: tuple(inside) for place, inside in sorted(images.items())},
        others=tuple(file for file in visible if file not in chosen),
        folders=frozenset(place[:depth] for place in places for depth in range(len(place) + 1)),
        read=read,
        digest=digest,
        form=form,
    )


def _visible(files: Iterable[str]) -> list[str]:
    """Those that people see, sorted; folders are looked at once each."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if not file.rpartition("/")[2].startswith(HIDDEN):
            found[file.rpartition("/")[0]].append(file)
    return sorted(file for folder, inside in found.items() if not is_hidden(folder) for file in inside)


def visited(path: Path) -> Iterator[Contents]:
    """A folder and all below it.

    Raises:
        DataError: a link leads to nothing or back, or a folder cannot be read.
    """
    try:
        yield from walk(path)
    except Unusable as error:
        raise refuse("data_format", error.message) from None


def list_folder(path: Path, form: SampleFiles = PICTURES) -> Listing:
    """A folder, its links followed.

    Raises:
        DataError: a link leads to nothing or back, or a folder cannot be read.
    """
    found = [*visited(path)]
    places = {
        readable((one.path / file).relative_to(path).as_posix()): one.path / file for one in found for file in one.files
    }
    folders = [readable(one.path.relative_to(path).as_posix()) for one in found]

    def read(name: str) -> bytes:
        return places[name].read_bytes()

    def digest(used: Iterable[str]) -> str:
        return _digest_lines(f"{name} {hashlib.sha256(read(name)).hexdigest()}" for name in used)

    return _listing(path.name, places, folders, read, digest, form)


def list_zip(path: Path, form: SampleFiles = PICTURES) -> Listing:
    """A zip archive."""
    folders = [member.name for member in _checked(path) if member.is_folder]
    archive, lock = zipfile.ZipFile(path), Lock()
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry, name in zip_names(path.name, archive).items():
        if not name.endswith("/"):
            if name in entries:
                raise refuse("data_format", f"{path.name} holds {name[:100]!r} twice; pack it again without doubles")
            entries[name] = entry

    def read(name: str) -> bytes:
        with lock:
            return archive.read(entries[name])

    def digest(used: Iterable[str]) -> str:
        return _digest_lines(f"{name} {entries[name].file_size} {entries[name].CRC}" for name in used)

    listing = _listing(path.name, entries, folders, read, digest, form)
    guessed = next((name for name, entry in sorted(entries.items()) if is_guessed(entry)), None)
    if guessed is None:
        return listing
    told = f"The names in {path.name} are not marked as UTF-8, and were read as such: {guessed}."
    return replace(listing, notes=(told,))


def list_tar(path: Path, form: SampleFiles = PICTURES) -> Listing:
    """A tar archive, compressed or not; read once, front to back, what is needed into one temporary file."""
    spool = Spool()
    names: list[str] = []
    folders: list[str] = []
    places: dict[str, tuple[int, int, str]] = {}
    for member in _checked(path):
        if member.is_folder:
            folders.append(member.name)
            continue
        names.append(member.name)
        if not _is_wanted(member, form):
            places.pop(member.name, None)
        elif member.link:
            if member.link not in places:
                raise refuse("data_unsafe", f"{member.name[:100]!r} in {path.name} is a link to what is not before it")
            places[member.name] = places[member.link]
        else:
            content = member.open().read()
            places[member.name] = (spool.append(content), len(content), hashlib.sha256(content).hexdigest())

    def read(name: str) -> bytes:
        start, size, _ = places[name]
        return spool.read(start, size)

    def digest(used: Iterable[str]) -> str:
        return _digest_lines(f"{name} {places[name][2]}" for name in used)

    return _listing(path.name, set(names), folders, read, digest, form)


def _is_wanted(member: Member, form: SampleFiles) -> bool:
    """Whether its content may be asked for; hidden files may be what links in the archive lead to."""
    suffix = suffix_of(member.name)
    return suffix in form.suffixes or (suffix in TEXTS and member.size <= MAX_TEXT_BYTES)


def _checked(path: Path) -> Iterator[Member]:
    """The members of an archive, none of which leads out of it or is too large."""
    for member in members(path, with_folders=True):
        name, parts = member.name, PurePosixPath(member.name)
        is_plain = member.is_plain or member.is_folder or member.link
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name or not is_plain:
            raise refuse(
                "data_unsafe",
                f"the archive's member {name[:100]!r} is no plain file below the archive's root; pack the folder again,"
                " with what its links lead to",
            )
        if member.size > MAX_FILE_BYTES:
            raise refuse(
                "data_unsafe",
                f"{name[:100]!r} in the archive has {member.size:,} bytes; images have at most {MAX_FILE_BYTES:,}",
            )
        yield member


def _digest_lines(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
