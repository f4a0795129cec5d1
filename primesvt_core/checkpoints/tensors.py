"""Tensors of a torch file as descriptions: dtype, shape, strides, and the bytes they lie in; checked, not loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from primesvt_core.checkpoints.pickles import STORAGES, Call, Name, PersistentId
from primesvt_core.checkpoints.refusals import Refusal, refuse

ITEMSIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint8": 1, "bool": 1,
}  # fmt: skip
NUMPY_CODES = {"f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64"}
MAX_DIMENSIONS = 8
LARGEST = 1 << 62


@dataclass(frozen=True)
class Storage:
    """A run of elements outside the pickle."""

    key: str
    dtype: str
    numel: int

    @property
    def bytes(self) -> int:
        """Bytes of the storage."""
        return self.numel * ITEMSIZES[self.dtype]


@dataclass(frozen=True)
class Inline:
    """Bytes inside the pickle, as numpy arrays are saved."""

    content: bytes


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's elements lie. ``offset`` and ``strides`` count elements; ``big_endian`` is of inline bytes."""

    source: Storage | Inline
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    big_endian: bool = False

    @property
    def bytes(self) -> int:
        """Bytes when written out densely."""
        return math.prod(self.shape) * ITEMSIZES[self.dtype]


def as_tensor(value: Any) -> Tensor | None:  # whatever the pickle holds
    """The tensor or numpy array that ``value`` stands for; None if it is neither.

    Raises:
        CheckpointRefused: if it is one, but impossible or of an unsupported kind.
    """
    if not isinstance(value, Call):
        return None
    try:
        if value.name.name == "_rebuild_parameter":
            return as_tensor(value.args[0])
        if value.name.name == "_rebuild_tensor_v2":
            return _dense(value.args)
        if value.name.name == "_reconstruct":
            return _array(value.state)
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise refuse(Refusal.BAD_TENSOR, f"a tensor in the file is not described as torch does it ({error})") from None
    return None


def _dense(args: tuple[Any, ...]) -> Tensor:
    reference, offset, shape, strides, *rest = args
    if len(rest) > 2 and (not hasattr(rest[2], "items") or rest[2].items):  # requires_grad, hooks, metadata
        raise refuse(Refusal.UNSUPPORTED_TENSOR, "a tensor is stored conjugated or negated; save it resolved")
    tensor = Tensor(_storage(reference), "", _sizes(shape), _sizes(strides), _size(offset))
    assert isinstance(tensor.source, Storage)  # noqa: S101  # what `_storage` returns
    tensor = Tensor(tensor.source, tensor.source.dtype, tensor.shape, tensor.strides, tensor.offset)
    _check_extent(tensor, tensor.source.numel)  # type: ignore[union-attr]
    return tensor


def _storage(reference: Any) -> Storage:
    if not isinstance(reference, PersistentId):
        raise ValueError("its storage is no reference")  # noqa: TRY004
    kind, name, key, location, numel, *_ = reference.value
    if kind != "storage" or not isinstance(name, Name) or not isinstance(key, str) or not key.isalnum():
        raise ValueError("its storage reference is malformed")
    if name.name not in STORAGES:
        raise refuse(Refusal.UNSUPPORTED_TENSOR, f"a tensor has the unsupported storage {name}")
    if location == "meta":
        raise refuse(Refusal.UNSUPPORTED_TENSOR, "a tensor was saved on the meta device: it has a shape but no values")
    return Storage(key, STORAGES[name.name], _size(numel))


def _array(state: Any) -> Tensor:
    _, shape, dtype, fortran, content = state
    sizes, (code, *_) = _sizes(shape), dtype.args
    order = dtype.state[1] if dtype.state else "<"
    if code not in NUMPY_CODES or not isinstance(order, str):
        raise refuse(Refusal.UNSUPPORTED_TENSOR, f"a numpy array has the unsupported dtype {str(code)[:20]!r}")
    raw = content if isinstance(content, bytes) else content.args[0].encode("latin1")
    strides = [1] * len(sizes)
    order_of_axes = range(1, len(sizes)) if fortran else range(len(sizes) - 2, -1, -1)
    for axis in order_of_axes:
        neighbour = axis - 1 if fortran else axis + 1
        strides[axis] = strides[neighbour] * sizes[neighbour]
    tensor = Tensor(Inline(raw), NUMPY_CODES[code], sizes, tuple(strides), big_endian=order == ">")
    if tensor.bytes != len(raw):
        raise ValueError("the bytes of a numpy array do not fit its shape")
    return tensor


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < LARGEST:
        raise refuse(Refusal.BAD_TENSOR, f"a tensor declares the size, stride or offset {str(value)[:40]}")
    return value


def _sizes(values: Any) -> tuple[int, ...]:
    if isinstance(values, Call) and values.name.name == "Size":
        (values,) = values.args
    if not isinstance(values, tuple | list) or len(values) > MAX_DIMENSIONS:
        raise refuse(Refusal.BAD_TENSOR, "a tensor's shape is no short tuple of sizes")
    return tuple(_size(value) for value in values)


def _check_extent(tensor: Tensor, numel: int) -> None:
    """Refuse a tensor that reaches beyond its storage, or is larger than any."""
    if len(tensor.shape) != len(tensor.strides):
        raise refuse(Refusal.BAD_TENSOR, "a tensor has another number of strides than sizes")
    if math.prod(tensor.shape) >= LARGEST:
        raise refuse(Refusal.BAD_TENSOR, f"a tensor declares the impossible shape {list(tensor.shape)}")
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if math.prod(tensor.shape) and last >= numel:
        raise refuse(
            Refusal.BAD_TENSOR, f"a tensor of shape {list(tensor.shape)} reaches beyond its {numel} stored elements"
        )
