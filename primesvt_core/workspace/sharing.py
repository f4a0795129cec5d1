"""A profile that several processes work on: its cells do not depend on each other, whoever computes them.

A cell is what one candidate predicts on one block of images, image by image, so that a profile that many have worked on
ends in the very figures of one that was computed by one process alone on the same hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from primesvt_core.types import Rates
from primesvt_core.workspace.store import ANSWERS, ORDER, SCORES, Workspace

COMMON = (ORDER, SCORES, ANSWERS)
"""What the keys of cells begin with that all who work on a profile must have the same, or they would compute other
candidates on other blocks. Who publishes has them first; helpers get them with their first assignment."""

Compute = Callable[[Mapping[str, Rates]], object]
"""Computes and remembers cells, by key; those of neighbouring candidates together, which is faster."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What to do next.

    Attributes:
        to_compute: cells to compute here, by key.
        results: values of cells that others have computed, by key; of a helper, those of `COMMON`.
    """

    to_compute: Mapping[str, Rates] = field(default_factory=dict)
    results: Mapping[str, JsonValue] = field(default_factory=dict)


class CellQueue(Protocol):
    """Hands out cells to the processes that work on one profile, so that each is computed once."""

    def publish(self, cells: Mapping[str, Rates]) -> None:
        """Announce cells that are wanted, by key and in this order; others may compute them.

        Those of `COMMON` are in the workspace by then, and are sent to whoever helps.
        """

    def next_batch(self) -> Assignment:
        """What to do next; waits until there is something. An empty assignment: there is nothing left to do."""


def share(
    cells: Mapping[str, Rates],
    workspace: Workspace,
    compute: Compute,
    queue: CellQueue,
    observe: Callable[[str], None] = lambda _: None,
) -> None:
    """Have cells computed, here or elsewhere, and remembered.

    Args:
        cells: that are wanted, by key and in that order.
        workspace: where cells are remembered.
        compute: computes cells here.
        queue: hands out the cells.
        observe: receives every wanted cell that is new, once it is there.
    """
    workspace.take_over(cells)
    wanted = {key: rates for key, rates in cells.items() if not workspace.knows(key)}
    if wanted:
        queue.publish(wanted)
    while wanted:
        assignment = queue.next_batch()
        workspace.learn(assignment.results)
        if assignment.to_compute:
            compute(assignment.to_compute)
        elif not assignment.results:  # nobody has them
            compute(wanted)
        for key in [key for key in wanted if workspace.knows(key)]:
            del wanted[key]
            observe(key)


def assist(compute: Compute, workspace: Workspace, queue: CellQueue) -> int:
    """Compute cells of another process's profile until there are none left; returns how many."""
    computed = 0
    while (assignment := queue.next_batch()).to_compute:
        workspace.learn(assignment.results)
        compute(assignment.to_compute)
        computed += len(assignment.to_compute)
    return computed
