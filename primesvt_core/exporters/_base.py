"""What an exporter is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from primesvt_core.registry import Registry, WithNeeds


@dataclass(frozen=True, kw_only=True)
class Exporter(WithNeeds):
    """One format that a pruned model can be written in for other software.

    Attributes:
        write: takes the pruned model, the checkpoint that it came from, the file to write, and which of several weights
            in that checkpoint, as ``container`` does elsewhere. Writes the file whole, or not at all.
        suffix: what the name of the file must end in; None where the format does not depend on it.
    """

    write: Callable[[Path, Path, Path, str | None], None]
    suffix: str | None


EXPORTERS: Registry[Exporter] = Registry("exporters", Exporter)
