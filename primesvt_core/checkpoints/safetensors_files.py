"""The safetensors format, read strictly: every byte of the file belongs to one tensor."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from primesvt_core.checkpoints.containers import checked_name
from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.regions import Located, Region
from primesvt_core.checkpoints.tensors import ITEMSIZES, LARGEST, MAX_DIMENSIONS

CODES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
METADATA = "__metadata__"


def read_safetensors(path: Path, limits: Limits) -> tuple[dict[str, Located], dict[str, str]]:
    """Tensors, located, and metadata.

    Raises:
        CheckpointRefused: if the header is damaged, or does not cover the file byte for byte.
    """
    header, start = _header(path, limits)
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise refuse(Refusal.DAMAGED, "the file's metadata is no mapping of strings")
    if len(header) > limits.tensors:
        raise refuse(Refusal.TOO_LARGE, f"the file holds more than {limits.tensors:,} tensors")
    tensors = {}
    for name, entry in header.items():
        checked_name(name, limits)
        tensors[name] = _located(path, start, name, entry)
    _check_cover(tensors.values(), start, path.stat().st_size)
    return tensors, metadata


def _header(path: Path, limits: Limits) -> tuple[dict[str, Any], int]:
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > limits.header_bytes:
            raise refuse(Refusal.TOO_LARGE, f"the file declares a header of {length:,} bytes")
        if 8 + length > size:
            raise refuse(Refusal.DAMAGED, "the file is cut short within its header")
        raw = file.read(length)
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise refuse(Refusal.DAMAGED, f"the file's header is damaged ({quote(error)})") from None
    if not isinstance(header, dict):
        raise refuse(Refusal.DAMAGED, "the file's header is no mapping of tensors")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it names something twice")
    return found


def _located(path: Path, start: int, name: str, entry: Any) -> Located:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise refuse(Refusal.DAMAGED, f"the header's entry {name} is damaged")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in CODES:
        raise refuse(Refusal.UNSUPPORTED_TENSOR, f"{name} has the unsupported dtype {quote(code)}")
    if not _are_sizes(shape, MAX_DIMENSIONS) or not _are_sizes(offsets, 2) or len(offsets) != 2:
        raise refuse(Refusal.BAD_TENSOR, f"{name} has impossible sizes or offsets")
    dtype, (begin, end) = CODES[code], offsets
    if end - begin != math.prod(shape) * ITEMSIZES[dtype]:
        raise refuse(Refusal.BAD_TENSOR, f"{name} of shape {shape} does not fill the {end - begin} bytes it names")
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    region = Region(path, start + begin, end - begin)
    return Located(region, dtype, tuple(shape), strides, 0, big_endian=False)


def _are_sizes(values: Any, most: int) -> bool:
    return isinstance(values, list) and len(values) <= most and all(type(v) is int and 0 <= v < LARGEST for v in values)


def _check_cover(tensors: Iterable[Located], start: int, size: int) -> None:
    position = start
    regions = [tensor.region for tensor in tensors if isinstance(tensor.region, Region)]
    for region in sorted(regions, key=lambda region: (region.size == 0, region.start)):  # empty ones at the end only
        if region.start != position:
            raise refuse(Refusal.UNSAFE_ARCHIVE, "tensors share bytes of the file, or leave some between them")
        position += region.size
    if position > size:
        raise refuse(Refusal.DAMAGED, "the file is cut short: a tensor's data is missing")
    if position < size:
        raise refuse(Refusal.UNSAFE_ARCHIVE, "something was appended to the file")
