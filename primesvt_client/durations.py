"""Durations, as pages and commands show them."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """95 as ``1 min 35 s``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
