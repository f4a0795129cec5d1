"""NumPy arrays in a pickle that was read as data: their shape, dtype and order are what the pickle states."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.checkpoints.pickles import Call

NUMBERS = re.compile(r"^[<>|=]?[biuf][1248]$")
"""Codes of dtypes whose values are plain numbers."""

BYTE_ORDERS = ("<", ">", "|", "=")
MOST_DIMENSIONS = 8


def as_bytes(value: Any) -> Any:
    """Bytes, however a pickle writes them: Python 2 as strings, Python 3 for Python 2 as strings to be encoded."""
    if isinstance(value, Call) and value.name.name == "encode" and value.args:
        value = value.args[0]
    if isinstance(value, bytearray):
        return bytes(value)
    return value.encode("latin1") if isinstance(value, str) else value


def array_of(value: Any) -> NDArray[Any] | None:
    """The array that a value of a pickle stands for; None if it stands for none of plain numbers.

    A list is one where NumPy takes it for one. Protocols up to 4 rebuild an array from its shape, its dtype, whether it
    is in Fortran order, and its bytes; protocol 5 from its bytes, dtype, shape and order, which is ``C``, ``F``, or
    ``K`` with the order of its axes.
    """
    try:
        if isinstance(value, list):
            return _from_list(value)
        if not isinstance(value, Call):
            return None
        if value.name.name == "_frombuffer":
            return _from_buffer(*value.args)
        return _from_state(value.state) if value.name.name == "_reconstruct" else None
    except (TypeError, ValueError, OverflowError):  # what the pickle holds instead is of no use
        return None


def _from_list(values: list[Any]) -> NDArray[Any] | None:
    """Numbers, or NumPy's own single ones."""
    plain = [_scalar(value) if isinstance(value, Call) else value for value in values]
    if not all(isinstance(value, int | float) for value in plain):
        return None
    found = np.array(plain)
    return found if found.dtype.kind in "biuf" else None


def _scalar(value: Call) -> int | float | None:
    if value.name.name != "scalar" or len(value.args) != 2:
        return None
    number: int | float = np.frombuffer(as_bytes(value.args[1]), _dtype(value.args[0]), count=1)[0].item()
    return number


def _from_state(state: Any) -> NDArray[Any]:
    shape, dtype, is_fortran, content = state[-4:]  # a version may stand before them
    return _shaped(content, dtype, shape, "F" if is_fortran else "C")


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    if order == "K" and axes is not None:
        return _shaped(content, dtype, shape, "C").transpose(_numbers(axes))
    return _shaped(content, dtype, shape, as_bytes(order).decode("latin1"))


def _shaped(content: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    raw, lengths, of = as_bytes(content), _numbers(shape), _dtype(dtype)
    if len(raw) != math.prod(lengths) * of.itemsize or order not in ("C", "F"):
        raise ValueError("the bytes are not as many as the shape has")
    return np.frombuffer(raw, of).reshape(lengths, order=order)  # type: ignore[call-overload,no-any-return]


def _numbers(found: Any) -> tuple[int, ...]:
    if not isinstance(found, tuple | list) or len(found) > MOST_DIMENSIONS:
        raise TypeError("no shape")
    if not all(type(length) is int and length >= 0 for length in found):
        raise ValueError("no shape")
    return tuple(found)


def _dtype(found: Any) -> np.dtype[Any]:
    """What ``numpy.dtype(code, ...)`` with the state ``(version, byte order, ...)`` means."""
    if not isinstance(found, Call) or found.name.name != "dtype" or not found.args:
        raise TypeError("no dtype")
    code = as_bytes(found.args[0]).decode("latin1")
    if not NUMBERS.match(code):
        raise ValueError(f"{code} is no dtype of numbers")
    order = as_bytes(found.state[1]).decode("latin1") if isinstance(found.state, tuple) else "="
    if order not in BYTE_ORDERS:
        raise ValueError(f"{order} is no byte order")
    dtype: np.dtype[Any] = np.dtype(code)
    return dtype.newbyteorder(order)  # type: ignore[arg-type]
