"""What a run remembers on disk, so that it resumes after the last finished evaluation.

The method is deterministic: the same inputs need the same evaluations in the same order. So a run is resumed by
running it again and answering from memory what was evaluated before; it ends as an undisturbed one would.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from math import inf
from pathlib import Path
from time import monotonic

from pydantic import JsonValue, ValidationError

from primesvt_client.presets import kept
from primesvt_client.spec import CompressionSpec  # what it names may be gone
from primesvt_core.errors import WorkspaceMismatch
from primesvt_core.workspace.atomic import write_atomically

INPUTS = "inputs.json"
CELLS = "cells.jsonl"
SCORES = "scores/"
"""What the keys of the cells begin with that hold a criterion's scores of a group."""

ORDER = "order"
"""Key of the cell that holds the order in which candidates see the images of the search split."""

ANSWERS = "answers/search"
"""Key of the cell that holds what the original says of the images by which candidates are compared, where that counts
instead of labels."""

SNAPSHOT = "fine-tuned-{}.safetensors"
"""Name of the large file that holds the fine-tuning of one plan."""

SPEEDS = "speeds/"
"""What the keys of the cells begin with that hold how many steps a candidate has time to learn: of this run alone."""
SYNC_SECONDS = 1.0
"""A machine that loses its power takes what was computed in so many seconds with it; a process that ends, nothing."""

REPAIRED = "repaired-{}.safetensors"
"""Name of the large file that holds what a repair has made of one plan."""


class Workspace:
    """A folder with the fingerprint of a run's inputs, its finished cells and its large files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._cells = _read_cells(root / CELLS)
        self._reusable: dict[str, JsonValue] = {}
        self._synced = -inf

    def bind(self, inputs: Mapping[str, JsonValue]) -> None:
        """Claim the workspace for these inputs, of which ``spec`` is a constraint spec.

        Raises:
            WorkspaceMismatch: if it belongs to a run with others; names what differs.
        """
        path = self.root / INPUTS
        wanted = json.loads(json.dumps(inputs))
        if path.exists():
            stored = _read_inputs(path)
            if "spec" in stored and "spec" in wanted:
                stored["spec"] = _as_now(stored["spec"])
            differing = sorted(k for k in {*wanted, *stored} if wanted.get(k) != stored.get(k))
            if differing:
                raise WorkspaceMismatch(
                    f"the workspace {self.root} belongs to a run with another {', '.join(differing)};"
                    " give the same inputs to resume, or use another output folder"
                )
            return
        write_atomically(path, json.dumps(wanted, indent=2).encode())

    def knows(self, key: str) -> bool:
        """Whether cell ``key`` is remembered."""
        return key in self._cells

    def recall(self, key: str, compute: Callable[[], JsonValue]) -> JsonValue:
        """The value of cell ``key``: remembered, taken over, or computed now; remembered from then on."""
        if key not in self._cells:
            self.learn({key: self._reusable[key] if key in self._reusable else compute()})
        return self._cells[key]

    def reuse(self, cells: Mapping[str, JsonValue]) -> None:
        """Offer cells of another run, which the same inputs determined: they are taken over when they are asked for.

        Until then the run knows nothing of them, so that it ends as it would without them.
        """
        self._reusable |= cells

    def take_over(self, keys: Iterable[str]) -> None:
        """Remember those of these cells that another run offers."""
        self.learn({key: self._reusable[key] for key in keys if key in self._reusable})

    def cells(self) -> Mapping[str, JsonValue]:
        """Everything that is remembered, by name."""
        return dict(self._cells)

    def learn(self, cells: Mapping[str, JsonValue]) -> None:
        """Remember what was computed, here or elsewhere; what is known already stays."""
        new = {key: value for key, value in cells.items() if key not in self._cells}
        if not new:
            return
        with (self.root / CELLS).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"key": key, "value": value}) + "\n" for key, value in new.items())
            file.flush()
            if monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(file.fileno())
                self._synced = monotonic()
        self._cells |= new

    def path(self, name: str) -> Path:
        """Where a large file of this run lies."""
        return self.root / name


def snapshots(root: Path) -> list[Path]:
    """The large files in a workspace that took long to make, whole ones alone."""
    return sorted(path for name in (SNAPSHOT, REPAIRED) for path in root.glob(name.format("*")))


def kept_preset(root: Path) -> str | None:
    """The preset of the run that a workspace belongs to; None if there is no such run.

    Raises:
        WorkspaceMismatch: if the workspace is damaged.
    """
    path = root / INPUTS
    spec = _read_inputs(path).get("spec") if path.exists() else None
    return str(kept(spec).get("preset")) if isinstance(spec, dict) else None


def _as_now(spec: JsonValue) -> JsonValue:
    """A spec that was stored, as this version would store it; one that means nothing to it as it is."""
    try:
        return CompressionSpec.model_validate(kept(spec) if isinstance(spec, dict) else spec).model_dump(mode="json")
    except ValidationError:
        return spec


def _read_inputs(path: Path) -> dict[str, JsonValue]:
    try:
        inputs = json.loads(path.read_bytes())
    except ValueError:
        inputs = None
    if not isinstance(inputs, dict):
        raise WorkspaceMismatch(f"{path} is damaged: nothing can be resumed; use another output folder")
    return inputs


def _read_cells(path: Path) -> dict[str, JsonValue]:
    """Finished cells; a line that a kill cut short is dropped from the file too, so that nothing is appended to it."""
    if not path.exists():
        return {}
    cells: dict[str, JsonValue] = {}
    whole = 0
    with path.open("rb") as file:
        for line in file:
            try:
                cell = json.loads(line)
                key, value = cell["key"], cell["value"]
            except (ValueError, TypeError, KeyError):
                break
            if not line.endswith(b"\n") or not isinstance(key, str):
                break
            cells[key] = value
            whole += len(line)
    os.truncate(path, whole)
    return cells
