"""The zip container of torch files, read strictly: what one reader sees, every reader sees."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zlib import crc32

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.regions import Region

LOCAL_HEADER = 30
END_RECORD = 22
LOCATOR_64 = 20
END_RECORD_64 = 56 + LOCATOR_64
OVERFLOWN = 0xFFFFFFFF
UTF_8 = 0x800
HAS_DESCRIPTOR = 0x8
DESCRIPTORS = (0, 16, 24)
"""Bytes after a record that repeat its checksum and size: none, or as torch writes them."""

RECORDS_PER_TENSOR = 2
"""Far more than the one that torch writes."""

BYTES_PER_ENTRY = 400
"""Of the central directory, with a generous name."""


@dataclass(frozen=True)
class Archive:
    """Records of a torch zip file, by their name below the root folder."""

    records: Mapping[str, Region]

    def content(self, name: str, limit: int) -> bytes | None:
        """A small record's bytes; None if there is no such record.

        Raises:
            CheckpointRefused: if it is larger than ``limit`` or damaged.
        """
        region = self.records.get(name)
        if region is None:
            return None
        if region.size > limit:
            raise refuse(Refusal.TOO_LARGE, f"the record {name} is larger than any checkpoint's")
        raw = region.read(0, region.size)
        if crc32(raw) != region.crc:
            raise refuse(Refusal.DAMAGED, f"the record {name} is damaged: its checksum does not fit")
        return raw


def open_archive(path: Path, limits: Limits) -> Archive:
    """List the records of a zip file without reading them.

    Raises:
        CheckpointRefused: if the archive is damaged, compressed, or shows different readers different contents.
    """
    end = _read_end(path, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            entries, directory = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise refuse(
            Refusal.DAMAGED, f"the archive is damaged ({quote(error)}); it may have been cut short in transfer"
        ) from None
    if (len(entries), directory) != (end.records, end.directory):
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive has two ends that differ: readers would disagree")
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive holds two records of one name: readers would disagree")
    roots = {name.split("/", 1)[0] for name in names}
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if not pickles:
        raise refuse(Refusal.NOT_A_CHECKPOINT, "the file is a zip archive, but torch did not write it (no data.pkl)")
    if len(roots) != 1:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive has several top-level folders, torch writes one")
    root = roots.pop() + "/"
    if any(name.startswith((root + "code/", root + "constants.pkl")) for name in names):
        raise refuse(Refusal.TORCHSCRIPT, "the file is a TorchScript program, not weights; save model.state_dict()")
    with path.open("rb") as file:
        regions = {entry: _region(path, file, entry) for entry in entries}
    _check_layout(regions, end.directory)
    return Archive({entry.filename.removeprefix(root): region for entry, region in regions.items()})


@dataclass(frozen=True)
class _End:
    records: int
    directory: int
    """Where the directory begins."""


def _read_end(path: Path, limits: Limits) -> _End:
    """Look at the end record before the directory is read, so that a huge directory costs nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - END_RECORD - END_RECORD_64))
        tail = file.read(END_RECORD + END_RECORD_64)
    end, end_64 = tail[-END_RECORD:], tail[:-END_RECORD]
    if len(end) < END_RECORD or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise refuse(Refusal.DAMAGED, "the archive has no end: the file is cut short, or something was appended to it")
    records, length, directory = struct.unpack("<HII", end[10:20])
    if directory == OVERFLOWN:
        raise refuse(Refusal.TOO_LARGE, "the file is larger than 4 GiB; save the weights without the optimizer")
    too_many = records > RECORDS_PER_TENSOR * limits.tensors  # 65,535 stands for any larger number
    if too_many or length > min(limits.tensors * BYTES_PER_ENTRY, size):
        raise refuse(Refusal.TOO_LARGE, f"the archive holds more than {limits.tensors:,} records")
    has_64 = end_64[-LOCATOR_64:].startswith(b"PK\x06\x07")  # torch always writes both ends
    if has_64 and struct.unpack("<QQQ", end_64[32:56]) != (records, length, directory):
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive has two ends that differ: readers would disagree")
    if directory + length + (END_RECORD_64 if has_64 else 0) + END_RECORD != size:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "something was put before the archive, or between its parts")
    return _End(records, directory)


def _region(path: Path, file: IO[bytes], entry: zipfile.ZipInfo) -> Region:
    """Where a record's bytes lie; from its own header, which must agree with the directory."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive is compressed or encrypted; torch stores tensors as they are")
    file.seek(entry.header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise refuse(Refusal.DAMAGED, f"the archive's record '{quote(entry.filename)}' is damaged")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    name = entry.orig_filename.encode("utf-8" if entry.flag_bits & UTF_8 else "cp437")
    if file.read(name_length) != name or entry.filename != entry.orig_filename:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "a record's name in the archive differs from its directory's")
    start = entry.header_offset + LOCAL_HEADER + name_length + extra_length
    return Region(path, start, entry.file_size, entry.CRC)


def _check_layout(regions: Mapping[zipfile.ZipInfo, Region], directory: int) -> None:
    """Refuse records that overlap, and bytes of the file that belong to none."""
    position = 0
    gaps: tuple[int, ...] = DESCRIPTORS[:1]
    for entry, region in sorted(regions.items(), key=lambda item: item[0].header_offset):
        if entry.header_offset - position not in gaps:
            raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive's records overlap, or leave something between them")
        position = region.start + region.size
        gaps = DESCRIPTORS if entry.flag_bits & HAS_DESCRIPTOR else DESCRIPTORS[:1]
    if directory - position not in gaps:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "the archive's records overlap, or leave something between them")
