"""Samples without labels: how they are noted, and what refusals of them say can be done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from primesvt_core.prerequisites import WITHOUT_LABELS

HINT = f"; {WITHOUT_LABELS}"
"""What a refusal of data without labels ends with."""


def no_labels(samples: int) -> NDArray[np.int64]:
    """What stands in place of the labels: ``(N,)``, one number for all."""
    return np.zeros(samples, np.int64)


def unlabelled_note(name: str, samples: int) -> str:
    """That a data set was read without labels."""
    return f"The {samples:,} samples of {name} were read without labels."
