"""Torch's two file formats as a structure whose tensors are located but not read: zip, and the one before 1.6."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from primesvt_core.checkpoints.archives import Archive, open_archive
from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.pickles import read_pickle
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.regions import Located, Region
from primesvt_core.checkpoints.tensors import Inline, Storage, Tensor, as_storage
from primesvt_core.checkpoints.values import PersistentId, children

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
SMALL_RECORD = 64


@dataclass(frozen=True)
class Structure:
    """What a torch file holds: ``root`` as `read_pickle` returns it, and how a tensor in it is located."""

    root: Any
    locate: Callable[[Tensor], Located]


def read_zip(path: Path, limits: Limits) -> Structure:
    """Read the structure of a zip-format file.

    Raises:
        CheckpointRefused: if anything about it is not as torch writes it.
    """
    archive = open_archive(path, limits)
    order = _small(archive, "byteorder", "little")
    if order not in ("little", "big"):
        raise refuse(Refusal.DAMAGED, f"the file declares the byte order {quote(order)}")
    alignment = _small(archive, ".storage_alignment", "64")
    if not alignment.isdecimal() or int(alignment) == 0:
        raise refuse(Refusal.DAMAGED, f"the file declares the storage alignment {quote(alignment)}")
    content = archive.content("data.pkl", limits.pickle_bytes)
    assert content is not None  # noqa: S101  # `open_archive` found it
    storages: dict[str, Storage] = {}

    def locate(tensor: Tensor) -> Located:
        return _located(tensor, lambda storage: _record(archive, storages, storage), big_endian=order == "big")

    stream = BytesIO(content)
    root = read_pickle(stream, limits)
    if stream.tell() != len(content):
        raise refuse(Refusal.UNSAFE_ARCHIVE, "something follows the pickle in the file's data.pkl")
    return Structure(root, locate)


def _small(archive: Archive, name: str, default: str) -> str:
    content = archive.content(name, SMALL_RECORD)
    return default if content is None else content.decode("ascii", "replace").strip()


def _record(archive: Archive, seen: dict[str, Storage], storage: Storage) -> Region:
    region = archive.records.get(f"data/{storage.key}")
    if region is None:
        raise refuse(Refusal.BAD_TENSOR, f"a tensor names the record {quote(storage.key)}, which is not in the file")
    if region.size != storage.bytes or seen.setdefault(storage.key, storage) != storage:
        raise refuse(
            Refusal.BAD_TENSOR,
            f"a tensor declares {storage.numel} elements of {storage.dtype}, but its record holds {region.size} bytes",
        )
    return region


def _located(tensor: Tensor, find: Callable[[Storage], Region], *, big_endian: bool) -> Located:
    if isinstance(tensor.source, Inline):
        return Located(tensor.source.content, tensor.dtype, tensor.shape, tensor.strides, 0, tensor.big_endian)
    region = find(tensor.source)
    return Located(region, tensor.dtype, tensor.shape, tensor.strides, tensor.offset, big_endian)


def is_legacy(path: Path) -> bool:
    """Whether a file begins as torch's format before 1.6 does."""
    with path.open("rb") as file:
        head = file.read(16)
    return LEGACY_MAGIC.to_bytes(10, "little") in head


def read_legacy(path: Path, limits: Limits) -> Structure:
    """Read the structure of a file from before torch 1.6: five pickles, then the storages one after the other.

    Raises:
        CheckpointRefused: if anything about it is not as torch wrote it.
    """
    with path.open("rb") as file:
        if read_pickle(file, limits) != LEGACY_MAGIC or read_pickle(file, limits) != LEGACY_PROTOCOL:
            raise refuse(Refusal.DAMAGED, "the file begins as an old torch file does, but its header is damaged")
        read_pickle(file, limits)  # the machine that wrote it; its byte order does not matter to what follows
        root = read_pickle(file, limits)
        keys = read_pickle(file, limits)
        regions = _legacy_regions(file, path, keys, _legacy_storages(root, limits))

    def locate(tensor: Tensor) -> Located:
        # Torch writes this format little-endian on every machine.
        return _located(tensor, lambda storage: regions[storage.key], big_endian=False)

    return Structure(root, locate)


def _legacy_storages(root: Any, limits: Limits) -> dict[str, Storage]:
    """Every storage that the pickle names, optimizer states included: their sizes give where the next one begins."""
    storages: dict[str, Storage] = {}
    stack, seen = [root], set[int]()
    while stack:
        node = stack.pop()
        if isinstance(node, PersistentId):
            storage = as_storage(node)
            if storages.setdefault(storage.key, storage) != storage:
                raise refuse(Refusal.BAD_TENSOR, "two tensors declare one storage with different sizes")
        elif id(node) not in seen:
            seen.add(id(node))
            stack.extend(children(node))
    if len(storages) > limits.tensors:
        raise refuse(Refusal.TOO_LARGE, f"the file holds more than {limits.tensors:,} tensors")
    return storages


def _legacy_regions(file: IO[bytes], path: Path, keys: Any, storages: dict[str, Storage]) -> dict[str, Region]:
    size = path.stat().st_size
    whole = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not whole or len(keys) != len(storages) or set(keys) != set(storages):
        raise refuse(Refusal.DAMAGED, "the file's list of storages does not fit its tensors")
    regions: dict[str, Region] = {}
    for key in keys:
        header = file.read(8)
        if len(header) < 8 or struct.unpack("<q", header)[0] != storages[key].numel:
            raise refuse(Refusal.DAMAGED, "the file is cut short, or a storage's size differs from what is declared")
        region = Region(path, file.tell(), storages[key].bytes)
        if region.start + region.size > size:
            raise refuse(Refusal.DAMAGED, "the file is cut short: a tensor's data is missing")
        file.seek(region.size, 1)
        regions[key] = region
    if file.tell() != size:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "something was appended to the file")
    return regions
