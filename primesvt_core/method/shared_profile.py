"""A profile that several processes work on: which parts of it they hand out among themselves.

Of a whole profile a part is a cell, one candidate on one block of images. Of one that is explored, where what is
computed next depends on what was found, a part is a group: whoever gets it explores it and gives back the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from pydantic import JsonValue

from primesvt_core.method import profiling
from primesvt_core.method.search_split import SearchSplit
from primesvt_core.types import Rates
from primesvt_core.workspace import sharing
from primesvt_core.workspace.sharing import CellQueue

EXPLORED = "explored"


def compute_with_others(
    split: SearchSplit,
    rates: Mapping[str, tuple[float, ...]],
    observe: Callable[[str], None],
    advance: Callable[[float], None],
    queue: CellQueue,
) -> None:
    """Have every cell of the profile computed, here or elsewhere.

    Block by block, all groups and rates of a block: what candidates take from the original is computed once a block, so
    that processes that work on different blocks compute nothing twice.

    Args:
        split: candidates on the search split.
        rates: to try of every group, ascending.
        observe: receives every group that is through.
        advance: receives which share of the cells is there, often.
        queue: hands out the cells.
    """
    split.settle()
    wanted: list[Rates] = [{group: rate} for group, every in rates.items() for rate in every]
    cells: dict[str, Rates] = {}
    for keys in zip(*map(split.keys, wanted), strict=True):
        cells |= dict(zip(keys, wanted, strict=True))
    left = {group: {key for key, one in cells.items() if group in one} for group in rates}

    def observe_cell(key: str) -> None:
        (group,) = cells[key]
        left[group].discard(key)
        if not left[group]:
            observe(group)
        advance(1 - sum(map(len, left.values())) / len(cells))

    sharing.share(cells, split.candidates.workspace, computing(split, rates), queue, observe_cell)


def explore_with_others(
    split: SearchSplit,
    rates: Mapping[str, tuple[float, ...]],
    allowed_drop: float,
    observe: Callable[[str], None],
    queue: CellQueue,
) -> None:
    """The same for groups that are explored: `profiling.explore`; ``observe`` receives every group that is through."""
    split.settle()
    groups = {f"{EXPLORED}/{allowed_drop!r}/{name}": name for name, every in rates.items() if every}
    workspace, compute = split.candidates.workspace, computing(split, rates)
    wanted: dict[str, Rates] = {key: {name: rates[name][-1]} for key, name in groups.items()}

    def observe_group(key: str) -> None:
        workspace.learn(cast("dict[str, JsonValue]", workspace.recall(key, dict)))
        observe(groups[key])

    sharing.share(wanted, workspace, compute, queue, observe_group)


def computing(split: SearchSplit, rates: Mapping[str, tuple[float, ...]]) -> sharing.Compute:
    """How a process computes the parts that it is given."""

    def compute(parts: Mapping[str, Rates]) -> None:
        explored = {key: rates_ for key, rates_ in parts.items() if key.startswith(f"{EXPLORED}/")}
        split.compute_cells({key: one for key, one in parts.items() if key not in explored})
        for drop in sorted({_drop_of(key) for key in explored}):
            names = {group: key for key, one in explored.items() if _drop_of(key) == drop for group in one}
            profiling.explore({name: rates[name] for name in names}, drop, split.decide, lambda _: None)
            for name, key in names.items():
                every = [{}, *({name: rate} for rate in rates[name])]
                split.candidates.workspace.learn({key: split.remembered(every)})

    return compute


def _drop_of(key: str) -> float:
    return float(key.split("/")[1])
