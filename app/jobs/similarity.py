"""Which jobs take about as long as each other."""

from __future__ import annotations

import math

from primesvt_client.facts import CheckpointFacts, DataSetFacts, UploadFacts
from primesvt_core.spec import CompressionSpec

Workload = tuple[object, ...]
"""What must be equal."""


def similarity_key(facts: UploadFacts | None, device: str) -> str | None:
    """What jobs have in common that take about as long: family, size to a power of two, device; None if unknown."""
    size = facts.parameter_bytes if isinstance(facts, CheckpointFacts) else None
    if not isinstance(facts, CheckpointFacts) or not size or size <= 0:
        return None
    return f"{facts.family[:50]}/{round(math.log2(size))}/{device}"


def workload(spec: CompressionSpec, model: CheckpointFacts, data: DataSetFacts) -> Workload:
    """What jobs on models alike have in common that take about as long: what is computed, on how many images.

    Images are counted to a power of two.
    """
    assumed = {str(one["field"]): one["value"] for one in model.assumptions or ()} | spec.assumptions
    images = (round(math.log2(count)) for count in spec.splits.counts(data.samples))
    budget = spec.budget
    return (
        spec.policy, spec.criterion, spec.repair, spec.profile, spec.fine_tuning.epochs, len(spec.rates),
        budget.has_target, budget.has_accuracy_floor, assumed.get("time_steps"), assumed.get("image_size"), *images,
    )  # fmt: skip
