"""What candidates predict on the search split: computed block by block, and remembered on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from pydantic import BaseModel, ConfigDict, JsonValue

from primesvt_core.decisions import Tally
from primesvt_core.engines import Engine, Predictions
from primesvt_core.pruning.patches import Patch
from primesvt_core.workspace.store import Workspace

DIGITS = 7
"""Significant digits of a remembered divergence, of which a float32 has no more."""


class _Cell(BaseModel):
    """What one candidate predicts on one block, as it is remembered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[int, ...]
    right: str
    divergence: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What one candidate predicts on the search split, image by image: as in `Predictions`."""

    classes: tuple[int, ...]
    right: tuple[bool, ...]
    divergence: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SearchCells:
    """The cells of one run: one for every candidate and block of images.

    Attributes:
        engine: computes them.
        blocks: how many there are.
        workspace: remembers them.
        tick: receives how many blocks of a candidate are done.
        prefix: what their names begin with.
    """

    engine: Engine
    blocks: int
    workspace: Workspace
    tick: Callable[[int], None]
    prefix: str = "search"
    _read: dict[str, _Cell] = field(default_factory=dict)

    def key(self, candidate: str, block: int) -> str:
        """Name of a cell in the workspace, the same in every process."""
        return f"{self.prefix}/{candidate}/{block}"

    def keys(self, candidate: str) -> list[str]:
        """Names of all cells of a candidate, block by block."""
        return [self.key(candidate, block) for block in range(self.blocks)]

    @staticmethod
    def block_of(key: str) -> int:
        """The block of a cell."""
        return int(key.rpartition("/")[2])

    def compute(self, candidates: Sequence[tuple[str, Patch]]) -> None:
        """Compute and remember all cells of candidates, by their names, as far as they are not remembered yet."""
        for block in range(self.blocks):
            self.compute_block(block, candidates)
            self.tick(block + 1)

    def compute_block(self, block: int, candidates: Sequence[tuple[str, Patch]]) -> None:
        """Compute and remember the cells of candidates on one block, as far as they are not remembered yet."""
        self.workspace.take_over(self.key(name, block) for name, _ in candidates)
        missing = [(name, patch) for name, patch in candidates if not self.workspace.knows(self.key(name, block))]
        if missing:
            found = self.engine.evaluate(block, [patch for _, patch in missing])
            cells = zip((name for name, _ in missing), found, strict=True)
            self.workspace.learn({self.key(name, block): _written(result) for name, result in cells})

    def tally(self, candidate: str, total: int, blocks: int | None = None) -> Tally:
        """A candidate on the blocks that are remembered, from the first on; with ``blocks``, on so many at most."""
        found = (self._cell(candidate, block) for block in range(self.blocks if blocks is None else blocks))
        bits = (_bits(cell) for cell in takewhile(lambda cell: cell is not None, found) if cell is not None)
        return Tally.of(bits, total)

    def predictions(self, candidate: str, patch: Patch) -> Remembered:
        """What a candidate predicts on all the images."""
        self.compute([(candidate, patch)])
        found = [cell for block in range(self.blocks) if (cell := self._cell(candidate, block))]
        return Remembered(
            classes=tuple(label for cell in found for label in cell.classes),
            right=tuple(bit for cell in found for bit in _bits(cell)),
            divergence=tuple(value for cell in found for value in cell.divergence),
        )

    def _cell(self, candidate: str, block: int) -> _Cell | None:
        key = self.key(candidate, block)
        if key not in self._read and self.workspace.knows(key):
            self._read[key] = _Cell.model_validate(self.workspace.recall(key, _never))
        return self._read.get(key)


def _bits(cell: _Cell) -> tuple[bool, ...]:
    return tuple(bit == "1" for bit in cell.right)


def _written(found: Predictions) -> JsonValue:
    divergence = tuple(float(f"{value:.{DIGITS}g}") for value in found.divergence)
    right = "".join("01"[bit] for bit in found.right)
    return _Cell(classes=found.classes, right=right, divergence=divergence).model_dump(mode="json")


def _never() -> JsonValue:
    raise AssertionError("a cell is computed before it is read")
