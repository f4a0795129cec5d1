"""A profile that several processes work on: its cells do not depend on each other, whoever computes them.

A cell is remembered as a string of rights and wrongs, so that a profile that many have worked on ends in the very
figures of one that was computed by one process alone on the same hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from pydantic import JsonValue

from primesvt_core.types import Rates
from primesvt_core.workspace.store import Workspace

T = TypeVar("T")
Compute = Callable[[Rates], object]
"""Computes and remembers the cell of some rates."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What to do next.

    Attributes:
        mine: cells to compute here, by key.
        found: values of cells that others have computed.
    """

    mine: Mapping[str, Rates] = field(default_factory=dict)
    found: Mapping[str, JsonValue] = field(default_factory=dict)


class Colleagues(Protocol):
    """Whoever hands out cells, so that each is computed once."""

    def offer(self, cells: Mapping[str, Rates]) -> None:
        """These cells are wanted, in this order; others may compute them."""

    def ask(self) -> Share:
        """What to do next; waits until there is something. Nothing in it: there is nothing left to do."""


def share(
    cells: Mapping[str, Rates],
    workspace: Workspace,
    compute: Compute,
    evaluate: Callable[[Rates], T],
    colleagues: Colleagues,
) -> Callable[[Rates], T]:
    """An evaluation that computes, before it answers, whatever cells it is given until the wanted one is there.

    Args:
        cells: that will be asked for, by key and in that order.
        workspace: where cells are remembered.
        compute: computes one cell here.
        evaluate: answers from memory.
        colleagues: hand out the cells.
    """
    wanted = {key: rates for key, rates in cells.items() if not workspace.knows(key)}
    keys = {tuple(rates.items()): key for key, rates in wanted.items()}
    if wanted:
        colleagues.offer(wanted)

    def shared(rates: Rates) -> T:
        key = keys.get(tuple(rates.items()))
        while key is not None and not workspace.knows(key):
            given = colleagues.ask()
            workspace.learn(given.found)
            for mine in given.mine.values():
                compute(mine)
            if not given.mine and not given.found:
                break  # nobody has it: it is computed below
        return evaluate(rates)

    return shared


def assist(compute: Compute, colleagues: Colleagues) -> int:
    """Compute cells of somebody else's profile until there are none left; returns how many."""
    computed = 0
    while mine := colleagues.ask().mine:
        for rates in mine.values():
            compute(rates)
        computed += len(mine)
    return computed
