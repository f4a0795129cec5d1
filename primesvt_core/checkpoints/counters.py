"""BatchNorm's ``num_batches_tracked``, which counts batches of training and has no part in what a model computes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from primesvt_core.checkpoints.refusals import Refusal, refuse
from primesvt_core.checkpoints.regions import Located, numbers
from primesvt_core.checkpoints.wrappers import COUNTER, Described

INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
BITS = 63


def is_counter(name: str) -> bool:
    """Whether a tensor of this name is a BatchNorm's counter."""
    return name.rpartition(".")[2] == COUNTER


def is_count(name: str, tensor: Described) -> bool:
    """Whether a tensor is a BatchNorm's counter and holds one integer."""
    return is_counter(name) and tensor.dtype in INTEGERS and math.prod(tensor.shape) == 1


def count(value: int) -> Located:
    """A counter as torch keeps it."""
    return Located(struct.pack("<q", value), "int64", (), (), 0, big_endian=False)


def as_counts(located: Mapping[str, Located]) -> tuple[dict[str, Located], tuple[str, ...]]:
    """The tensors with every counter as torch keeps it: tools that convert or average weights leave other types.

    Returns:
        The tensors, and a note where some were changed.

    Raises:
        CheckpointRefused: if one holds a number that is no count.
    """
    odd = [name for name, tensor in located.items() if is_counter(name) and _is_odd(tensor)]
    changed = {name: count(_number(name, located[name])) for name in odd}
    return {**located, **changed}, tuple([f"{len(odd)} {COUNTER} were read as int64"] if odd else [])


def _is_odd(tensor: Located) -> bool:
    return math.prod(tensor.shape) == 1 and (tensor.dtype != "int64" or bool(tensor.shape))


def _number(name: str, tensor: Located) -> int:
    value: Any = numbers(tensor.array(), tensor.dtype).item()
    if not 0 <= value < 1 << BITS:
        raise refuse(Refusal.BAD_TENSOR, f"{name} is {value}, which is no count")
    return int(value)
