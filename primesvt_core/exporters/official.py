"""The model under the public names at its own widths, with what a training script keeps beside the weights.

For code whose widths are arguments, and for `primesvt evaluate`: ``args`` say T, heads, image size and preprocessing.
"""

from __future__ import annotations

from pathlib import Path

from primesvt_core.exporters._base import Check, Export, Exporter
from primesvt_core.exporters._public import SUFFIXES, arguments, describe, verify_public, write_public


def write(export: Export, out: Path) -> None:
    """Write weights, as they are read back where they are stored in fewer bits, and ``args``."""
    model = export.model
    write_public(out, model.state, describe(model), arguments(model, model.preprocessing))


def verify(export: Export, out: Path) -> Check:
    """The same weights compute the same."""
    return verify_public(export, out, export.model.config, compared="the file, read back, with the model")


EXPORTER = Exporter(write=write, verify=verify, suffixes=SUFFIXES)
