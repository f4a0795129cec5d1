"""Which class has which number, in a line."""

from __future__ import annotations

from collections.abc import Sequence

FIRST, LAST = 10, 1
"""Classes that are shown where there are many; the report lists all."""


def numbered(classes: Sequence[str]) -> str:
    """The classes with their numbers; of many the first and the last ones, and of those called so the numbers alone."""
    if [*classes] == [str(number) for number in range(len(classes))]:
        return "called by their numbers"
    shown = [f"{number} {name}" for number, name in enumerate(classes)]
    if len(shown) > FIRST + LAST:
        shown = [*shown[:FIRST], "...", *shown[-LAST:]]
    return ", ".join(shown)
