"""Checkpoints: untrusted files read as data, without torch and without running anything."""

from primesvt_core.checkpoints.adapting import below, with_counters
from primesvt_core.checkpoints.counters import is_counter
from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.reading import Checkpoint, load_arrays, normalise, read
from primesvt_core.checkpoints.refusals import Refusal
from primesvt_core.checkpoints.writing import write_safetensors
from primesvt_core.errors import CheckpointRefused

__all__ = [
    "Checkpoint",
    "CheckpointRefused",
    "Limits",
    "Refusal",
    "below",
    "is_counter",
    "load_arrays",
    "normalise",
    "read",
    "with_counters",
    "write_safetensors",
]
