"""Checkpoints: untrusted files read as data, without torch and without running anything."""

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.reading import Checkpoint, normalise, read
from primesvt_core.checkpoints.refusals import Refusal

__all__ = ["Checkpoint", "Limits", "Refusal", "normalise", "read"]
