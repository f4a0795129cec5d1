"""Names that people give to things, made fit to be shown."""

from __future__ import annotations

LONGEST_NAME = 200


def printable(name: str) -> str:
    """A name as text to show: no control characters, not empty, not too long."""
    return "".join(c for c in name if c.isprintable()).strip()[:LONGEST_NAME] or "unnamed"
