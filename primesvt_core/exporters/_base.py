"""What an exporter is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Exporter = Callable[[Path, Path, Path, str | None], None]
"""Writes a pruned model for other software: the model, the checkpoint it came from, the file to write, and which of
several weights in that checkpoint, as ``container`` does elsewhere."""
