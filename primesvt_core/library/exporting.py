"""Writing models for other software, from Python."""

from __future__ import annotations

from pathlib import Path

from primesvt_core.errors import SpecError
from primesvt_core.exporters import EXPORTERS


def export(
    model: str | Path, out: str | Path, *, original: str | Path, to: str = "masked", container: str | None = None
) -> Path:
    """Write a pruned model for other software.

    Args:
        model: that PrimeSVT pruned.
        out: file to write; a new one.
        original: checkpoint that it came from.
        to: the format.
        container: which weights of a file that has several.

    Returns:
        What was written.

    Raises:
        PrimeSVTError: if the model cannot be written so, or there is no place for it.
    """
    place = Path(out)
    if place.exists():
        raise SpecError(f"{place} exists; give another file")
    exporter = EXPORTERS.load(to)
    if exporter.suffix not in (None, place.suffix):
        raise SpecError(f"{to} is written to {exporter.suffix} files; give such a name, not {place.name}")
    exporter.write(Path(model), Path(original), place, container)
    return place
