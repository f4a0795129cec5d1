"""Files of our own whose weights are stored in a lower precision: what they are called, and how they are read back.

The values of a weight lie under its own name, its scales under a name below it, which no state dict can have: torch
lets no module be called as a parameter is. The metadata says the precision and its version, and is believed only where
every tensor agrees.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.checkpoints.counters import is_count
from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded, Precision, is_weight
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.regions import FLOATS, Located, numbers

KEY = "primesvt_weights"
"""Of the metadata that says the precision."""

SCALES = ".primesvt_scale"
"""What the name of a weight's scales has behind the weight's."""


@dataclass(frozen=True)
class Restored(Located):
    """A weight as it is read back: float32, of values and scales that lie in the file.

    Attributes:
        precision: in which it is stored.
        values: of its shape.
        scales: of its output channels, if there are any.
    """

    precision: Precision
    values: Located
    scales: Located | None

    def array(self) -> NDArray[Any]:
        """The weight, as a tensor's own array is given.

        Raises:
            CheckpointRefused: if it is not finite, of scales that no weight has.
        """
        weight = self.precision.decode(self.encoded())
        if not np.isfinite(weight).all():
            raise refuse(Refusal.NOT_FINITE, "a stored weight is read back as NaN or infinite; compress it again")
        weight.flags.writeable = False
        return weight

    def encoded(self) -> Encoded:
        """What lies in the file."""
        return Encoded(self.values.array(), None if self.scales is None else self.scales.array())


def stored_metadata(precision: str) -> dict[str, str]:
    """Metadata of a file whose weights are stored in a precision, given by its key."""
    return {KEY: json.dumps({"precision": precision, "version": PRECISIONS[precision].version})}


def stored_precision(metadata: Mapping[str, str]) -> str | None:
    """The precision in which a file says that its weights are stored; None if it says nothing of the kind.

    Raises:
        CheckpointRefused: if it is none that this version reads.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.keys() != {"precision", "version"}:
        raise refuse(Refusal.DAMAGED, f"what the file says of its stored weights is damaged ({quote(text)})")
    name, version = said["precision"], said["version"]
    known = PRECISIONS.get(name) if isinstance(name, str) else None
    if known is None or type(version) is not int or version != known.version:
        raise refuse(
            Refusal.UNSUPPORTED_TENSOR,
            f"its weights are stored as {quote(name)}, version {quote(version)}, which this version of PrimeSVT does"
            f" not read; it reads {', '.join(f'{key} (version {one.version})' for key, one in PRECISIONS.items())}",
        )
    return str(name)


def restored(located: Mapping[str, Located], key: str | None) -> tuple[dict[str, Located], tuple[str, ...]]:
    """The tensors with every weight as it is read back.

    Args:
        located: of the file.
        key: of the precision in which the file says that its weights are stored; None if it says nothing.

    Returns:
        The tensors, and a note of how they were stored.

    Raises:
        CheckpointRefused: if the tensors are not stored in that precision.
    """
    if key is None:
        return dict(located), ()
    precision, weights = PRECISIONS[key], [name for name, one in located.items() if is_weight(name, one.shape)]
    if not weights:
        raise _contradicted(key, "it has no weights")
    scales = {name + SCALES for name in weights} if precision.has_scales else set[str]()
    _check_agreement(located, key, weights, scales)
    kept = {name: one for name, one in located.items() if name not in scales}
    found = {name: _restored(name, located, key) for name in weights}
    return kept | found, (f"the weights are stored as {key}{', with scales' if scales else ''}",)


def _check_agreement(
    located: Mapping[str, Located], key: str, weights: Collection[str], scales: Collection[str]
) -> None:
    for name, one in located.items():
        if name in weights and one.dtype != PRECISIONS[key].dtype:
            raise _contradicted(key, f"{quote(name)} is {one.dtype}")
        if name.endswith(SCALES) and name not in scales:
            raise _contradicted(key, f"{quote(name)} is the scale of no weight")
        if name not in weights and one.dtype not in FLOATS and not is_count(name, one):
            raise _contradicted(key, f"{quote(name)} is {one.dtype}, and no weight")


def _restored(name: str, located: Mapping[str, Located], key: str) -> Restored:
    values, precision = located[name], PRECISIONS[key]
    scales = located.get(name + SCALES) if precision.has_scales else None
    if precision.has_scales:
        if scales is None or scales.dtype != "float32" or scales.shape != values.shape[:1]:
            raise _contradicted(key, f"{quote(name)} has no scale for each of its {values.shape[0]} output channels")
        if bool((numbers(scales.array(), scales.dtype) < 0).any()):
            raise _contradicted(key, f"a scale of {quote(name)} is negative")
    shape = values.shape
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Restored(values.region, "float32", shape, strides, 0, False, precision, values, scales)


def _contradicted(key: str, why: str) -> Exception:
    return refuse(
        Refusal.DAMAGED, f"the file says that its weights are stored as {key}, but {why}; compress the original again"
    )
