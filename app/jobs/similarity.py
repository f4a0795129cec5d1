"""Which jobs take about as long as each other."""

from __future__ import annotations

import math

from primesvt_client.facts import CheckpointFacts, UploadFacts


def similarity_key(facts: UploadFacts | None, device: str) -> str | None:
    """What jobs have in common that take about as long: family, size to a power of two, device; None if unknown."""
    size = facts.parameter_bytes if isinstance(facts, CheckpointFacts) else None
    if not isinstance(facts, CheckpointFacts) or not size or size <= 0:
        return None
    return f"{facts.family[:50]}/{round(math.log2(size))}/{device}"
