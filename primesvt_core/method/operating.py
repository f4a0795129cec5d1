"""What the models of a run compute for images of its search split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

from primesvt_core.costs.operations import Operations, attention
from primesvt_core.evaluation.operations import IMAGES, operations
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.candidates import Candidates, fingerprint
from primesvt_core.pruning.surgery import prune
from primesvt_core.types import Rates


def operation_images(candidates: Candidates) -> Sequence[int]:
    """Images that operations are averaged over."""
    return candidates.images.splits.search[:IMAGES]


def operations_of(candidates: Candidates, model: SpikingModel, rates: Rates) -> Operations:
    """What a model, pruned at the given rates, computes for one image."""
    is_original = model.time_steps == candidates.config.time_steps
    network = candidates.network if is_original else candidates.shorter_network
    products = attention(network)(candidates.sizes(rates))
    return operations(model, candidates.images.batches(operation_images(candidates)), products)


def candidate_operations(candidates: Candidates, rates: Rates) -> Operations:
    """The same of a candidate, repaired and not fine-tuned; remembered, for others may round otherwise."""
    plan = candidates.plan(rates)

    def compute() -> JsonValue:
        state = {**candidates.state, **candidates.repaired(rates)}
        config, pruned = prune(candidates.family, candidates.shorter_config, state, plan)
        model = build(candidates.family, config, pruned).to(candidates.device)
        found = operations_of(candidates, model, rates)
        return {"by_spikes": dict(found.by_spikes), "multiplied": dict(found.multiplied), "attention": found.attention}

    cell = candidates.workspace.recall(f"operations-{candidates.spec.repair}/{fingerprint(plan)}", compute)
    known = cast("dict[str, JsonValue]", cell)
    return Operations(
        by_spikes=cast("dict[str, float]", known["by_spikes"]),
        multiplied=cast("dict[str, float]", known["multiplied"]),
        attention=cast("float", known["attention"]),
    )
