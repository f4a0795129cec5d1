"""Sizes in bytes and numbers of operations, as pages and reports show them."""

from __future__ import annotations


def size_text(count: float) -> str:
    """Bytes in the largest binary unit that leaves at least one: 37 300 000 as ``35.6 MiB``."""
    if count < 1024:
        return f"{count:,.0f} bytes"
    for unit in ("KiB", "MiB"):
        count /= 1024
        if count < 1024:
            return f"{count:,.1f} {unit}"
    return f"{count / 1024:,.1f} GiB"


def operations_text(count: float) -> str:
    """A number of operations in thousands, millions or billions: 19 972 416 as ``20.0 million``."""
    if count < 1000:
        return f"{count:,.0f}"
    for unit in ("thousand", "million"):
        count /= 1000
        if count < 1000:
            return f"{count:,.1f} {unit}"
    return f"{count / 1000:,.1f} billion"
