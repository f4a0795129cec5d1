"""Candidates by how far their predictions are from the original's: no labels, a few hundred images.

Over repaired candidates the divergence on few images says more of what is lost on others than the accuracy on many
does, whose noise is as large as what is to be decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

from torch import Tensor

from primesvt_core.method.candidates import Candidates, fingerprint
from primesvt_core.method.recovered import Compared
from primesvt_core.method.repairing import NONE, Repairing
from primesvt_core.method.search import Agreement
from primesvt_core.method.search_cells import Remembered, SearchCells
from primesvt_core.pruning.patches import Patch
from primesvt_core.types import CurvePoint, Plan, Rates

IMAGES = 256
"""Images of the search split, the first ones, by which candidates are compared."""


class Divergences:
    """The candidates of one run on the images by which they are compared.

    Args:
        candidates: of the run.
        repairing: their repairs.
    """

    def __init__(self, candidates: Candidates, repairing: Repairing) -> None:
        self.candidates, self.repairing = candidates, repairing
        self.images = tuple(candidates.images.splits.search[:IMAGES])
        self._cells: dict[tuple[str, str], SearchCells] = {}
        self._asked: set[str] = set()

    @property
    def evaluations(self) -> int:
        """Candidates that were asked for, each repair counted."""
        return len(self._asked)

    def measure(self, every: Sequence[Rates], form: str) -> list[Compared]:
        """Several candidates with the same repair, computed together.

        Args:
            every: their rates.
            form: key of the repair.
        """
        cells, names = self.cells(form), [self._name(rates) for rates in every]
        self._asked.update(f"{form}/{name}" for name in names)
        missing = [(name, rates) for name, rates in zip(names, every, strict=True) if not self._is_known(name, cells)]
        cells.compute([(name, self._patch(rates, form)) for name, rates in missing])
        return [self._compared(cells.predictions(name, Patch())) for name in names]

    def measure_plan(self, plan: Plan, form: str) -> Compared:
        """What keeps any channels of the groups, which need not be those that the criterion would choose."""
        cells, name = self.cells(form), fingerprint(plan)
        patch = Patch() if self._is_known(name, cells) else self.repairing.patch_of(form, plan)
        return self._compared(cells.predictions(name, patch))

    def start(self) -> CurvePoint:
        """The unpruned model."""
        return self.point({}, self.measure([{}], NONE)[0])

    @cached_property
    def of_fewer_steps(self) -> float:
        """What is between the original and the unpruned model over as many time steps as candidates run, in nats."""
        if not self.candidates.time_steps.is_shortened:
            return 0.0
        return self.measure([self.candidates.as_candidate({})], NONE)[0].divergence

    def point(self, rates: Rates, one: Compared) -> CurvePoint:
        """A candidate, measured, as a point of the accuracy-memory curve."""
        size = self.candidates.memory(rates)
        return CurvePoint(
            rates=rates,
            accuracy=one.accuracy,
            accuracy_drop=(one.lost - one.won) / one.samples,
            parameter_bytes=size,
            memory_saving=self.candidates.saving(size),
            divergence=one.divergence,
        )

    def best_form(self, rates: Rates) -> tuple[str, Compared]:
        """The repair with which a candidate is nearest to the original on images that no repair saw, the simplest of
        equals.
        """
        found = {form: self.measure([rates], form)[0] for form in self.repairing.forms}
        best = min(found, key=lambda form: found[form].divergence)
        return best, found[best]

    def repaired(self, rates: Rates) -> Mapping[str, Tensor]:
        """What the best repair of a candidate changes, by name, at the original's shapes."""
        plan = self.candidates.plan(rates)
        if not plan.kept:
            return {}
        form, _ = self.best_form(rates)
        return self.repairing.tensors(form, plan)

    def compute(self, cells: Mapping[str, Rates]) -> None:
        """Compute cells of candidates with the repair of the search, by the names that `keys` gives them."""
        self.compute_cells(cells, self.repairing.searching)

    def keys(self, rates: Rates, form: str) -> list[str]:
        """Names of the cells of a candidate, block by block."""
        return self.cells(form).keys(self._name(rates))

    def compute_cells(self, cells: Mapping[str, Rates], form: str) -> None:
        """Compute cells, by the names that `keys` gives them; others are those of another version, and left alone."""
        by_block: dict[int, list[Rates]] = {}
        for key, rates in cells.items():
            if key in self.keys(rates, form):
                by_block.setdefault(SearchCells.block_of(key), []).append(rates)
        for block, every in sorted(by_block.items()):
            self.cells(form).compute_block(block, [(self._name(rates), self._patch(rates, form)) for rates in every])

    def agreement(self, every: Sequence[Rates], form: str) -> Agreement:
        """How often engine and modules differ on candidates with one repair."""
        differing = compared = 0
        for rates in every:
            pair = [self._predicted(self.cells(form, as_written=written), rates, form) for written in (False, True)]
            differing += sum(a != b for a, b in zip(*(found.classes for found in pair), strict=True))
            compared += len(pair[0].classes)
        return Agreement(compared=compared, differing=differing)

    def cells(self, form: str, *, as_written: bool = False) -> SearchCells:
        """What candidates with one repair predict; by every module as it is, or by the engine."""
        prefix = "divergence-reference" if as_written else "divergence"
        if (prefix, form) not in self._cells:
            images = self.candidates.images.blocks(self.images)
            self._cells[prefix, form] = SearchCells(
                engine=self.candidates.open_engine(images, as_written=as_written),
                blocks=len(images),
                workspace=self.candidates.workspace,
                tick=self._tick,
                prefix=f"{prefix}-{form}",
            )
        return self._cells[prefix, form]

    def _tick(self, blocks: int) -> None:
        total = len(self.images)
        self.candidates.counting(total)(min(blocks * self.candidates.images.batch_size, total))

    def _name(self, rates: Rates) -> str:
        return self.candidates.name(rates)

    def _patch(self, rates: Rates, form: str) -> Patch:
        return self.repairing.patch(form, rates)

    def _predicted(self, cells: SearchCells, rates: Rates, form: str) -> Remembered:
        """What a candidate predicts; its repair is fitted where that is not remembered alone."""
        name = self._name(rates)
        patch = Patch() if self._is_known(name, cells) else self._patch(rates, form)
        return cells.predictions(name, patch)

    def _is_known(self, name: str, cells: SearchCells) -> bool:
        keys, workspace = cells.keys(name), self.candidates.workspace
        workspace.take_over(keys)
        return all(workspace.knows(key) for key in keys)

    def _compared(self, found: Remembered) -> Compared:
        pairs = [*zip(self.original.right, found.right, strict=True)]
        return Compared(
            divergence=math.fsum(found.divergence) / len(found.divergence),
            accuracy=sum(found.right) / len(pairs),
            lost=sum(before and not after for before, after in pairs),
            won=sum(after and not before for before, after in pairs),
            samples=len(pairs),
        )

    @cached_property
    def original(self) -> Remembered:
        """What the unpruned model predicts."""
        return self.cells(NONE).predictions(self._name({}), Patch())
