"""Tensors of a torch file as descriptions: dtype, shape, strides, and the bytes they lie in; checked, not loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from primesvt_core.checkpoints.names import STORAGES
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.values import Call, Name, PersistentId, mapping

ITEMSIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint8": 1, "bool": 1,
}  # fmt: skip
NUMPY_CODES = {"f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32"}
PARAMETERS = ("_rebuild_parameter", "_rebuild_parameter_with_state")
ARRAYS = ("_reconstruct", "_frombuffer")
"""How numpy arrays are pickled: until protocol 4, and from 5 on."""

TENSORS = (*PARAMETERS, "_rebuild_tensor_v2", *ARRAYS)
MAX_DIMENSIONS = 8
LARGEST = 1 << 62
METADATA_AT = 6
"""Position of the conjugate and negative bits among the arguments of ``_rebuild_tensor_v2``."""


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


def is_tensor(value: Any) -> bool:
    """Whether ``value`` stands for a tensor or numpy array, possible or not."""
    return isinstance(value, Call) and value.name.name in TENSORS


def is_scalar(value: Any) -> bool:
    """Whether ``value`` stands for a number of numpy's, ``np.int64(7)``."""
    return isinstance(value, Call) and value.name.name == "scalar"


def as_tensor(value: Any) -> Tensor | None:  # whatever the pickle holds
    """The tensor, numpy array or number of numpy's that ``value`` stands for; None if it is none of them.

    Raises:
        CheckpointRefused: if it is one, but impossible or of an unsupported kind.
    """
    if not is_tensor(value) and not is_scalar(value):
        return None
    try:
        if value.name.name in PARAMETERS:
            return as_tensor(value.args[0])
        return _dense(value.args) if value.name.name == "_rebuild_tensor_v2" else _array(*_array_parts(value))
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise refuse(
            Refusal.BAD_TENSOR, f"a tensor in the file is not described as torch does it ({quote(error)})"
        ) from None


def as_storage(reference: PersistentId) -> Storage:
    """The storage that a reference names.

    Raises:
        CheckpointRefused: if it is none that holds a tensor's data.
    """
    try:
        kind, name, key, location, numel, *view = reference.value
    except (ValueError, TypeError):
        raise refuse(Refusal.BAD_TENSOR, "a tensor's storage is not named as torch does it") from None
    if kind != "storage" or not isinstance(name, Name) or not isinstance(key, str) or not key.isalnum():
        raise refuse(Refusal.BAD_TENSOR, "a tensor's storage is not named as torch does it")
    if name.name not in STORAGES:
        raise refuse(Refusal.UNSUPPORTED_TENSOR, f"a tensor has the unsupported storage {quote(str(name))}")
    if location == "meta":
        raise refuse(Refusal.UNSUPPORTED_TENSOR, "a tensor was saved on the meta device: it has a shape but no values")
    if any(part is not None for part in view):
        raise refuse(Refusal.UNSUPPORTED_TENSOR, "a tensor's storage is a view of another; save it again with torch 1+")
    return Storage(key, STORAGES[name.name], _size(numel))


def _dense(args: tuple[Any, ...]) -> Tensor:
    reference, offset, shape, strides, *_ = args
    bits = args[METADATA_AT] if len(args) > METADATA_AT else None
    if bits is not None and mapping(bits) != []:
        raise refuse(Refusal.UNSUPPORTED_TENSOR, "a tensor is stored conjugated or negated; save it resolved")
    if not isinstance(reference, PersistentId):
        raise ValueError("its storage is no reference")  # noqa: TRY004  # a bad file, not a wrong type
    storage = as_storage(reference)
    tensor = Tensor(storage, storage.dtype, _sizes(shape), _sizes(strides), _size(offset))
    _check_extent(tensor, storage.numel)
    return tensor


def _array_parts(value: Call) -> tuple[Any, Any, bool, Any]:
    """Shape, dtype, whether the first axis varies fastest, and bytes."""
    if is_scalar(value):
        dtype, content = value.args
        return (), dtype, False, content
    if value.name.name == "_frombuffer":
        content, dtype, shape, order = value.args
        if order not in ("C", "F"):
            raise ValueError("a numpy array in another order than C or F")
        return shape, dtype, order == "F", content
    _, shape, dtype, fortran, content = value.state
    return shape, dtype, bool(fortran), content


def _array(shape: Any, dtype: Any, fortran: bool, content: Any) -> Tensor:
    sizes, (code, *_) = _sizes(shape), dtype.args
    order = dtype.state[1] if dtype.state else "<"
    if not isinstance(code, str) or code not in NUMPY_CODES or order not in ("<", ">", "="):
        raise refuse(Refusal.UNSUPPORTED_TENSOR, f"a numpy array has the unsupported dtype {quote(code)}")
    raw = _content(content)
    strides = [1] * len(sizes)
    order_of_axes = range(1, len(sizes)) if fortran else range(len(sizes) - 2, -1, -1)
    for axis in order_of_axes:
        neighbour = axis - 1 if fortran else axis + 1
        strides[axis] = strides[neighbour] * sizes[neighbour]
    if math.prod(sizes) * ITEMSIZES[NUMPY_CODES[code]] != len(raw):
        raise ValueError("the bytes of a numpy array do not fit its shape")
    return Tensor(Inline(raw), NUMPY_CODES[code], sizes, tuple(strides), big_endian=order == ">")


def _content(content: Any) -> bytes:
    if isinstance(content, Call) and content.name.name == "encode":
        return bytes(content.args[0].encode("latin1"))  # as protocol 2 keeps bytes
    if not isinstance(content, bytes):
        raise ValueError("a numpy array without its bytes")  # noqa: TRY004
    return content


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < LARGEST:
        raise refuse(Refusal.BAD_TENSOR, f"a tensor declares the size, stride or offset {quote(value)}")
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
