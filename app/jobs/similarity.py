"""Which jobs take about as long as each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from primesvt_client.facts import CheckpointFacts, DataSetFacts, UploadFacts
from primesvt_core.spec import CompressionSpec

SEARCH = "search"
"""The kind of job that finds its own rates."""

LARGEST_RATIO = 1.5
"""Of numbers of images that take about as long."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is computed, beside the model.

    Attributes:
        method: all that must be equal for it to take about as long.
        images: of every split.
    """

    method: tuple[object, ...]
    images: tuple[int, ...]

    def is_like(self, other: Workload) -> bool:
        """Whether both take about as long on models that are alike."""
        pairs = zip(self.images, other.images, strict=True)
        return self.method == other.method and all(max(pair) <= LARGEST_RATIO * min(pair) for pair in pairs)


def kind_of(*, has_parent: bool, has_plan: bool) -> str:
    """What a job does: a ``search``, another point of a finished curve (``retarget``), a given plan (``prune``)."""
    return "retarget" if has_parent else "prune" if has_plan else SEARCH


def similarity_key(facts: UploadFacts | None, device: str, kind: str = SEARCH) -> str | None:
    """What jobs have in common that take about as long: family, size to a power of two, device; None if unknown.

    Args:
        facts: of the checkpoint.
        device: that it runs on.
        kind: what is done with it: of a search the key is as it was when there was nothing else.
    """
    size = facts.parameter_bytes if isinstance(facts, CheckpointFacts) else None
    if not isinstance(facts, CheckpointFacts) or not size or size <= 0:
        return None
    return "/".join([facts.family[:50], str(round(math.log2(size))), device, *([] if kind == SEARCH else [kind])])


def workload(spec: CompressionSpec, model: CheckpointFacts, data: DataSetFacts) -> Workload:
    """What a job with such uploads computes."""
    assumed = {str(one["field"]): one["value"] for one in model.assumptions or ()} | spec.assumptions
    budget = spec.budget
    method = (
        spec.policy, spec.criterion, spec.repair, spec.profile, spec.fine_tuning.epochs,
        spec.fine_tuning.time_limit if spec.fine_tuning.is_timed else None, len(spec.rates),
        budget.has_target, budget.has_accuracy_floor, assumed.get("time_steps"), assumed.get("image_size"),
    )  # fmt: skip
    return Workload(method=method, images=spec.splits.counts(data.samples))
