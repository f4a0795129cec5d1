"""Where the inputs of a run lie, kept in its workspace, so that another budget needs no paths.

Paths alone: whether what lies there is still the same is for who opens it to find out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from primesvt_core.workspace.atomic import write_atomically

FILE = "sources.json"
WORKSPACE = "workspace"
"""Folder below a run's results in which the command line keeps what the run remembers."""


@dataclass(frozen=True)
class Sources:
    """Paths of a run's inputs; None where they are not known, or there was none."""

    checkpoint: Path | None = None
    data: Path | None = None
    train_data: Path | None = None


def keep_sources(root: Path, sources: Sources) -> None:
    """Keep paths in a workspace."""
    root.mkdir(parents=True, exist_ok=True)
    known = {name: path for name, path in vars(sources).items() if path is not None}
    write_atomically(root / FILE, json.dumps({name: str(path.resolve()) for name, path in known.items()}).encode())


def kept_sources(root: Path) -> Sources:
    """The paths that a workspace keeps; none of a run of an earlier version, or of a damaged file."""
    try:
        found = json.loads((root / FILE).read_bytes())
    except (OSError, ValueError):
        return Sources()
    if not isinstance(found, dict):
        return Sources()
    paths = {name: found.get(name) for name in ("checkpoint", "data", "train_data")}
    return Sources(**{name: Path(path) for name, path in paths.items() if isinstance(path, str)})
