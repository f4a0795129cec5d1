"""The frontier of results: those of which no other one is both smaller and better."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple


class Point(NamedTuple):
    """A result: its size and what it loses, in whatever unit all of them have."""

    job_id: str
    size: float
    loss: float


def frontier(points: Iterable[Point]) -> list[Point]:
    """The points that no other one beats in one respect without being worse in the other, smallest first.

    Of points that are equal in both, the newest (by id) stands for all.
    """
    found: list[Point] = []
    by_id = sorted(points, key=itemgetter(0), reverse=True)
    for point in sorted(by_id, key=itemgetter(1, 2)):
        if not found or point.loss < found[-1].loss:
            found.append(point)
    return found
