"""Candidates on the search split: what they predict, whether they stay within a drop, and the cells of the profile.

The engine computes them, each only until the images left cannot change an answer. Where it might have rounded otherwise
than the reference, every module as it is, the reference decides. The two are compared on the first steps that a policy
accepts, until they agree on so many images that a candidate's count may differ by one, and at the end of a search on
every step of the curve that it has found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

from pydantic import JsonValue

from primesvt_core.decisions import Answer, Tally, answer, margin_of
from primesvt_core.engines import Images, open_engine
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.repairing import Repairing
from primesvt_core.method.search import Agreement
from primesvt_core.method.search_cells import Remembered, SearchCells
from primesvt_core.pruning.patches import Patch
from primesvt_core.types import CurvePoint, Outcome, ProfileCell, Rates
from primesvt_core.workspace.store import ORDER

BLOCK = 32
"""Images of a block on a CPU, at the most: two pieces of the engine."""

SMALLEST_MARGIN = 1
"""Images: further comparisons do not make the margin smaller."""


class SearchSplit:
    """The candidates of one run on the search split."""

    def __init__(self, candidates: Candidates, repairing: Repairing, *, hardest_first: bool = True) -> None:
        self.candidates, self.repairing, self.hardest_first = candidates, repairing, hardest_first
        self.total = len(candidates.images.splits.search)
        self._named: dict[tuple[tuple[str, float], ...], tuple[str, Patch]] = {}
        self._asked: set[str] = set()
        self._checked: dict[str, Rates] = {}
        self._differing: dict[str, int] = {}
        self._agreed: Agreement | None = None

    @property
    def at_a_time(self) -> int:
        """Images of a block: fewer on a CPU than a spec allows, since candidates are rejected between blocks."""
        size = self.candidates.images.batch_size
        is_free = self.candidates.device.type == "cpu" and not self.candidates.original.depends_on_batch
        return min(size, BLOCK) if is_free else size

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Places of the images in the search split, in the order in which candidates see them.

        First come those that the original gets wrong, and nearly wrong: most of what a candidate loses is among them,
        so that one that loses too much is rejected soon.
        """
        if self.candidates.original.depends_on_batch or not self.hardest_first:
            return tuple(range(self.total))
        return tuple(cast("list[int]", self.candidates.workspace.recall(ORDER, self._hardest_first)))

    def _hardest_first(self) -> list[JsonValue]:
        images = self._blocks(self.candidates.images.splits.search)
        engine = open_engine(self.candidates.original, images, kept_bytes=0)
        margins: list[float] = []
        for block in range(len(images)):
            (found,) = engine.evaluate(block, [Patch()])
            margins += found.margin
            self._tick(block + 1)
        # Rounded, so that processes whose last digits differ nearly always find the same order.
        return [*sorted(range(self.total), key=lambda place: (round(margins[place], 2), place))]

    def settle(self) -> None:
        """Have what everybody must have the same who computes cells: the scores, and the order of the images."""
        _ = self.candidates.scores, self.order

    @cached_property
    def cells(self) -> SearchCells:
        """What candidates predict, by the engine."""
        return self._cells("search", as_written=False)

    @cached_property
    def checks(self) -> SearchCells:
        """What candidates predict, by every module as it is."""
        if self.candidates.original.depends_on_batch:
            return self.cells  # they are the reference's already
        return self._cells("reference", as_written=True)

    @property
    def evaluations(self) -> int:
        """Candidates that were computed, wholly or in part."""
        return len(self._asked)

    def start(self) -> CurvePoint:
        """The unpruned model."""
        return CurvePoint(
            rates={},
            accuracy=self.evaluate({}).accuracy,
            accuracy_drop=0.0,
            parameter_bytes=self.candidates.memory_before,
            memory_saving=0.0,
        )

    @property
    def images(self) -> tuple[int, ...]:
        """The search split, in the order in which candidates see it."""
        return tuple(self.candidates.images.splits.search[place] for place in self.order)

    @property
    def original(self) -> Remembered:
        """What the unpruned model predicts; as the reference has it."""
        return self._checks_of({})

    def evaluate(self, rates: Rates) -> Outcome:
        """Accuracy and memory of the model pruned at the given rates; as the reference has them."""
        right = self._checks_of(rates).right
        return self._outcome(rates, Tally(right=sum(right), seen=len(right), total=len(right)))

    def accept(self, rates: Rates) -> Outcome:
        """The same of a step that a policy takes: candidates will follow that are pruned further.

        Once the engine was compared with the reference often enough it is the engine's, until `check`.
        """
        name, patch = self._name(rates)
        if self._margin > SMALLEST_MARGIN or name in self._checked:
            outcome = self.evaluate(rates)
            self.measure_agreement(())
            self.checks.engine.rebase(patch)
        else:
            outcome = self._outcome(rates, Tally.of([self.predictions(rates).right], self.total))
        self.cells.engine.rebase(patch)
        return outcome

    def check(self, steps: Sequence[Rates]) -> bool:
        """Have the reference compute accepted steps, each with one group more; whether it agrees with the engine.

        Where it does not, they count from now on as the reference has them, and a search has to look again.
        """
        before = self.agreement.differing
        self.checks.engine.rebase(Patch())
        for rates in steps:
            self._checks_of(rates)
            self.checks.engine.rebase(self._name(rates)[1])
        self.measure_agreement(())
        return self.agreement.differing == before

    def known(self, rates: Rates) -> Outcome:
        """The same as far as the engine has computed it."""
        return self._outcome(rates, self.cells.tally(self._name(rates)[0], self.total))

    def predictions(self, rates: Rates) -> Remembered:
        """What the model pruned at the given rates predicts."""
        return self.cells.predictions(*self._asking(rates))

    def is_within(self, rates: Rates, allowed_drop: float) -> bool:
        """Whether the model pruned at the given rates loses at most so much."""
        return self.decide([rates], allowed_drop)[0]

    def known_answer(self, rates: Rates, allowed_drop: float) -> bool | None:
        """The same where nothing has to be computed for it; None where something has."""
        name, _ = self._name(rates)
        found = self._answer(name, allowed_drop)
        if found is Answer.CLOSE and self._by_reference(name, allowed_drop) is not Answer.OPEN:
            return self._decision(rates, name, allowed_drop)
        return {Answer.WITHIN: True, Answer.BEYOND: False}.get(found)

    def decide(self, every: Sequence[Rates], allowed_drop: float) -> list[bool]:
        """For several candidates, computed together block by block, whether each loses at most so much."""
        named = [self._asking(rates) for rates in every]
        for block in range(self.cells.blocks):
            undecided = [one for one in named if self._answer(one[0], allowed_drop) is Answer.OPEN]
            if not undecided:
                break
            self.cells.compute_block(block, undecided)
            self._tick(block + 1)
        return [self._decision(rates, name, allowed_drop) for rates, (name, _) in zip(every, named, strict=True)]

    def compute(self, every: Sequence[Rates]) -> None:
        """Compute what several candidates predict, which is faster than one after another."""
        self.cells.compute([self._asking(rates) for rates in every])

    def compute_cells(self, cells: Mapping[str, Rates]) -> None:
        """Compute cells, by the names that `keys` gives them; others are those of another version, and left alone."""
        by_block: dict[int, list[Rates]] = {}
        for key, rates in cells.items():
            if key in self.keys(rates):
                by_block.setdefault(self.cells.block_of(key), []).append(rates)
        for block, every in sorted(by_block.items()):
            self.cells.compute_block(block, [self._name(rates) for rates in every])

    def keys(self, rates: Rates) -> list[str]:
        """Names of the cells of the model pruned at the given rates, block by block."""
        return self.cells.keys(self._name(rates)[0])

    def remembered(self, every: Sequence[Rates]) -> dict[str, JsonValue]:
        """What is remembered of candidates, by the names of the cells."""
        workspace = self.candidates.workspace
        names = [self._name(rates)[0] for rates in every]
        keys = [key for name in names for cells in (self.cells, self.checks) for key in cells.keys(name)]
        return {key: workspace.recall(key, lambda: None) for key in keys if workspace.knows(key)}

    def profile_cells(self, rates: Mapping[str, Sequence[float]]) -> tuple[ProfileCell, ...]:
        """The cells of the profile, as far as they are known.

        Args:
            rates: of every group, ascending.
        """
        cells = (self.profile_cell(group, rate) for group, every in rates.items() for rate in every)
        return tuple(cell for cell in cells if cell)

    def profile_cell(self, group: str, rate: float) -> ProfileCell | None:
        """One cell, or None if nothing of it was computed."""
        rates = {group: rate}
        tally = self.cells.tally(self._name(rates)[0], self.total)
        if not tally.seen:
            return None
        self._asking(rates)
        return ProfileCell(
            group=group,
            rate=rate,
            kept=self.candidates.kept(group, rate),
            accuracy=tally.accuracy,
            accuracy_drop=self._original_right / tally.total - tally.accuracy,
            memory_saving=self._outcome(rates, tally).memory_saving,
            samples=tally.seen,
            is_bound=not tally.is_complete,
        )

    def measure_agreement(self, every: Sequence[Rates]) -> None:
        """Count anew how often engine and reference differ, with the candidates of ``every`` that both have computed.

        What was counted is the same however the cells were computed, if this is called at the same points of a run.
        """
        for rates in every:
            name, _ = self._name(rates)
            if self.checks.tally(name, self.total).is_complete:
                self._checked[name] = rates
        self._agreed = self.agreement

    @property
    def agreement(self) -> Agreement:
        """How often engine and reference differ, on the candidates that both have computed."""
        for name, rates in [*self._checked.items()]:
            if name not in self._differing:
                mine, other = self.predictions(rates), self._checks_of(rates)
                said = (zip(one.classes, one.right, strict=True) for one in (mine, other))
                self._differing[name] = sum(a != b for a, b in zip(*said, strict=True))
        return Agreement(differing=sum(self._differing.values()), compared=len(self._differing) * self.total)

    def _cells(self, prefix: str, *, as_written: bool) -> SearchCells:
        search = self.candidates.images.splits.search
        images = self._blocks([search[place] for place in self.order])
        return SearchCells(
            engine=self.candidates.open_engine(images, as_written=as_written),
            blocks=len(images),
            workspace=self.candidates.workspace,
            tick=self._tick,
            prefix=self.repairing.prefix(f"{prefix}-{self._name_of_order}"),
        )

    def _blocks(self, indices: Sequence[int]) -> Images:
        return replace(self.candidates.images, batch_size=self.at_a_time).blocks(indices)

    @cached_property
    def _name_of_order(self) -> str:
        """Cells of blocks with other images have other names."""
        return hashlib.sha256(json.dumps([self.at_a_time, *self.order]).encode()).hexdigest()[:8]

    def _tick(self, blocks: int) -> None:
        self.candidates.counting(self.total)(min(blocks * self.at_a_time, self.total))

    def _name(self, rates: Rates) -> tuple[str, Patch]:
        key = tuple(sorted(rates.items()))
        if key not in self._named:
            patch = self.repairing.patch(self.repairing.searching, rates)
            self._named[key] = self.candidates.name(rates), patch
        return self._named[key]

    def _asking(self, rates: Rates) -> tuple[str, Patch]:
        found = self._name(rates)
        self._asked.add(found[0])
        return found

    def _checks_of(self, rates: Rates) -> Remembered:
        name, patch = self._asking(rates)
        self._checked[name] = rates
        return self.checks.predictions(name, patch)

    def _outcome(self, rates: Rates, tally: Tally) -> Outcome:
        size = self.candidates.memory(rates)
        return Outcome(
            accuracy=tally.accuracy,
            parameter_bytes=size,
            memory_saving=self.candidates.saving(size),
            is_bound=not tally.is_complete,
        )

    def _answer(self, candidate: str, allowed_drop: float) -> Answer:
        return answer(self._original_right, self.cells.tally(candidate, self.total), allowed_drop, self._margin)

    def _decision(self, rates: Rates, candidate: str, allowed_drop: float) -> bool:
        found = self._answer(candidate, allowed_drop)
        if found is Answer.CLOSE:
            found = self._referred(rates, allowed_drop)
        return found is Answer.WITHIN

    def _referred(self, rates: Rates, allowed_drop: float) -> Answer:
        """The reference's decision, which sees no more images than it needs either."""
        asked = self._asking(rates)
        for seen in range(self.checks.blocks):
            # Of the blocks so far alone, whatever else is remembered: what is compared is the same in every run.
            found = self._by_reference(asked[0], allowed_drop, blocks=seen)
            if found is not Answer.OPEN:
                return found
            self.checks.compute_block(seen, [asked])
        self._checked[asked[0]] = rates
        return self._by_reference(asked[0], allowed_drop)

    def _by_reference(self, candidate: str, allowed_drop: float, *, blocks: int | None = None) -> Answer:
        """What the reference's cells say, of all blocks that are remembered or of the first of them."""
        return answer(sum(self.original.right), self.checks.tally(candidate, self.total, blocks), allowed_drop)

    @cached_property
    def _original_right(self) -> int:
        return sum(self.predictions({}).right)

    @property
    def _margin(self) -> int:
        """Images by which the engine may count a candidate otherwise than the reference, by what was compared."""
        if self._agreed is None:
            self._checks_of({})
            self.measure_agreement(())
        return margin_of(self._agreed.differing, self._agreed.compared, self.total) if self._agreed else self.total
