"""Sizes in bytes and numbers of operations, as pages and reports show them."""

from __future__ import annotations


def size_text(count: float) -> str:
    """Bytes in the largest binary unit that leaves at least one, in three digits: 37 300 000 as ``35.6 MiB``."""
    if count < 1024:
        return f"{count:,.0f} bytes"
    for unit in ("KiB", "MiB"):
        count /= 1024
        if count < 1024:
            return f"{_digits(count)} {unit}"
    return f"{_digits(count / 1024)} GiB"


def operations_text(count: float) -> str:
    """A number of operations in thousands, millions or billions: 19 972 416 as ``20.0 million``."""
    if count < 1000:
        return f"{count:,.0f}"
    for unit in ("thousand", "million"):
        count /= 1000
        if count < 1000:
            return f"{_digits(count)} {unit}"
    return f"{_digits(count / 1000)} billion"


def _digits(count: float) -> str:
    """With so many decimals that two numbers side by side show what a share of 1 % between them is."""
    return f"{count:,.2f}" if count < 9.995 else f"{count:,.1f}"
