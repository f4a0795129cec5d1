"""Which jobs take about as long as each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def similarity_key(facts: Mapping[str, Any] | None, device: str) -> str | None:
    """What jobs have in common that take about as long: family, size to a power of two, device; None if unknown."""
    family, size = (facts or {}).get("family"), (facts or {}).get("parameter_bytes")
    if not isinstance(family, str) or not isinstance(size, int) or size <= 0:
        return None
    return f"{family[:50]}/{round(math.log2(size))}/{device}"
