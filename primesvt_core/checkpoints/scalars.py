"""Numpy's numbers in a training script's arguments: ``np.int64(8)`` heads are eight."""

from __future__ import annotations

import struct
from typing import Any

from primesvt_core.checkpoints.values import Call

FORMATS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e",
    "f4": "f", "f8": "d",
}  # fmt: skip
"""Of `struct`, by numpy's codes."""


def plain(value: Any) -> Any:
    """The number that a numpy scalar is; anything else, damaged ones too, as it is."""
    if not isinstance(value, Call) or value.name.name != "scalar":
        return value
    try:
        dtype, content = value.args
        order = dtype.state[1] if dtype.state else "<"
        raw = content if isinstance(content, bytes) else content.args[0].encode("latin1")
        (number,) = struct.unpack((">" if order == ">" else "<") + FORMATS[dtype.args[0]], raw)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error):
        return value
    return number
