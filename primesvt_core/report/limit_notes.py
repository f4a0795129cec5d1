"""How the delivered model stands to limits beside memory and multiply-accumulates, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from primesvt_core.method.export import ExportedModel
    from primesvt_core.method.search import Goal
    from primesvt_core.types import Rates


def limit_notes(goal: Goal, rates: Rates, exported: ExportedModel) -> Iterator[str]:
    """Of every such limit what it binds, and what the delivered model has of it."""
    for limit in goal.limits:
        if limit.name == "inference_bytes":
            found = exported.after.inference_memory_bytes
            other = {"layerwise": "stepwise", "stepwise": "layerwise"}[found.better]
            yield (
                f"The limit of inference memory binds the schedule that needs less, which is {found.better}:"
                f" {found.least:,} bytes, where {limit.most:,} are allowed; {other} needs"
                f" {max(found.layerwise, found.stepwise):,}."
            )
        elif limit.name == "synaptic_operations":
            measured = exported.after.synaptic_operations
            exceeds = " The search estimated fewer." if measured > limit.most >= limit.cost(rates) else ""
            yield (
                f"The delivered model was measured to need {round(measured):,} synaptic operations for one image, the"
                f" mean over search images, where {limit.most:,} are allowed; {round(limit.cost(rates)):,} were"
                f" estimated from the original's.{exceeds}"
            )
