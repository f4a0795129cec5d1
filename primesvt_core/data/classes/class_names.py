"""Names of classes that are kept as an array beside images and labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import refuse
from primesvt_core.data.classes.class_order import SHOWN, composed

ARRAYS = ("classes", "class_names", "classnames", "label_names", "target_names")
"""What such arrays are called, in small letters."""


def array_of_names(names: Sequence[str]) -> str | None:
    """The array with the names of the classes, of the names of all arrays; None if none or several may be it."""
    found = [name for name in names if name.lower().replace("-", "_") in ARRAYS]
    return found[0] if len(found) == 1 else None


def class_names(name: str, array: NDArray[np.generic]) -> tuple[str, ...]:
    """The names in an array ``(classes,)`` of texts, or of bytes in UTF-8.

    Args:
        name: of the array and its file, for messages.
        array: of the file.

    Raises:
        DataError: it holds no names, or one twice.
    """
    if array.ndim != 1 or array.dtype.kind not in "US" or not array.size:
        raise refuse(
            "data_format", f"{name} is {array.dtype}{list(array.shape)}; names of classes are texts, one a class"
        )
    try:
        found = [one.decode() if isinstance(one, bytes) else str(one) for one in array.tolist()]
    except ValueError:  # no UTF-8, or numbers beyond all characters
        raise refuse("data_format", f"{name} has names that are no text in UTF-8") from None
    names = tuple(map(composed, found))
    if twice := sorted({one for one in names if names.count(one) > 1})[:SHOWN]:
        raise refuse("data_classes", f"{name} has {', '.join(twice)} more than once")
    return names
