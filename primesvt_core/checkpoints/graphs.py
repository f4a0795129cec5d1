"""Is a pickle's value a finite tree of a sensible size? Answered before anything walks it."""

from __future__ import annotations

from typing import Any

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.refusals import Refusal, refuse
from primesvt_core.checkpoints.values import Name, children

_LEAVES = frozenset({str, int, float, bool, bytes, type(None), Name})
_LEAF = (1, 0)


def check_graph(root: Any, limits: Limits) -> None:
    """Refuse cycles, nesting beyond the limit, and sharing that grows without bound when it is walked.

    Raises:
        CheckpointRefused: naming which.
    """
    measured: dict[int, tuple[int, int]] = {}  # of every finished container: nodes when expanded, depth
    path: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        if leaving:
            path.discard(id(node))
            measured[id(node)] = _measure(node, measured, limits)
            continue
        # Asked before it is looked into: the same list may be met a hundred thousand times.
        if id(node) in measured:
            continue
        if id(node) in path:
            raise refuse(Refusal.UNSAFE_PICKLE, "the pickle contains itself")
        inside = children(node)
        if not inside:
            continue
        if len(path) > limits.depth:
            raise refuse(Refusal.TOO_LARGE, "the pickle is nested far deeper than a checkpoint is")
        path.add(id(node))
        stack.append((node, True))
        stack.extend((child, False) for child in inside if type(child) not in _LEAVES)


def _measure(node: Any, measured: dict[int, tuple[int, int]], limits: Limits) -> tuple[int, int]:
    known = [measured.get(id(child), _LEAF) for child in children(node)]
    nodes, depth = 1 + sum(nodes for nodes, _ in known), 1 + max((depth for _, depth in known))
    if nodes > limits.nodes or depth > limits.depth:
        raise refuse(Refusal.TOO_LARGE, "the pickle nests or repeats its values far beyond what a checkpoint does")
    return nodes, depth
