"""PrimeSVT: automated, memory-aware structured pruning of Spiking Vision Transformers (arXiv 2606.03428).

    report = primesvt.compress("model.pth", dataset, "out", max_accuracy_drop=0.03)
    model = primesvt.load("out/model.safetensors")

Everything is imported when it is first used: ``import primesvt`` loads neither torch nor anything else that takes time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from primesvt_client.version import __version__

if TYPE_CHECKING:
    from primesvt_client.progress import Progress
    from primesvt_core import load
    from primesvt_core.data import DataSet
    from primesvt_core.errors import Cancelled, CheckpointError, DataError, PrimeSVTError, SpecError
    from primesvt_core.evaluation.evaluate import Evaluation
    from primesvt_core.intake.inspect import Inspection
    from primesvt_core.library.compressing import compress, prune, retarget
    from primesvt_core.library.exporting import export
    from primesvt_core.library.measuring import evaluate, inspect
    from primesvt_core.report.schema import Report
    from primesvt_core.report.sliced import SlicedReport

__all__ = [
    "Cancelled",
    "CheckpointError",
    "DataError",
    "DataSet",
    "Evaluation",
    "Inspection",
    "PrimeSVTError",
    "Progress",
    "Report",
    "SlicedReport",
    "SpecError",
    "__version__",
    "compress",
    "evaluate",
    "export",
    "inspect",
    "load",
    "prune",
    "retarget",
]

_HOMES = {
    "Cancelled": "primesvt_core.errors",
    "CheckpointError": "primesvt_core.errors",
    "DataError": "primesvt_core.errors",
    "DataSet": "primesvt_core.data",
    "Evaluation": "primesvt_core.evaluation.evaluate",
    "Inspection": "primesvt_core.intake.inspect",
    "PrimeSVTError": "primesvt_core.errors",
    "Progress": "primesvt_client.progress",
    "Report": "primesvt_core.report.schema",
    "SlicedReport": "primesvt_core.report.sliced",
    "SpecError": "primesvt_core.errors",
    "compress": "primesvt_core.library.compressing",
    "evaluate": "primesvt_core.library.measuring",
    "export": "primesvt_core.library.exporting",
    "inspect": "primesvt_core.library.measuring",
    "load": "primesvt_core",
    "prune": "primesvt_core.library.compressing",
    "retarget": "primesvt_core.library.compressing",
}
"""Where each is; the imports above say the same to type checkers, and a test that both agree."""


def __getattr__(name: str) -> object:
    """Import on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found  # the next time it is simply there
    return found


def __dir__() -> list[str]:
    """What there is, whether it was used or not."""
    return sorted(__all__)
