"""Sizes in bytes, as pages and reports show them."""

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
