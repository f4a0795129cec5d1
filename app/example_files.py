"""The example that comes with the service: a small Spikformer and the handwritten digits that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from primesvt_client.states import UploadKind

OF_THE_WHEEL = Path(__file__).resolve().parent / "commands" / "example"
EXAMPLES = OF_THE_WHEEL if OF_THE_WHEEL.is_dir() else Path(__file__).resolve().parents[1] / "examples"
"""Of the installed service, or of the clone."""

FILES: Mapping[UploadKind, str] = {UploadKind.CHECKPOINT: "spikformer-digits.pth.tar", UploadKind.DATASET: "digits.npz"}
BUDGET: Mapping[str, JsonValue] = {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}


def is_there(folder: Path = EXAMPLES) -> bool:
    """Whether the service was installed with its example."""
    return all((folder / name).is_file() for name in FILES.values())
