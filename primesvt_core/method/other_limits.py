"""The limits of a budget beside parameter memory and multiply-accumulates, in the terms of one run's model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from primesvt_core.costs import inference
from primesvt_core.costs._base import Sizes
from primesvt_core.costs.inference import InferenceCost
from primesvt_core.costs.operations import estimate
from primesvt_core.errors import SpecError
from primesvt_core.intake.lifetimes import recording
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.export import Measurement
from primesvt_core.method.operating import candidate_operations
from primesvt_core.method.search import Limit

INFERENCE = "inference_bytes"
SYNAPTIC = "synaptic_operations"
STORED = "stored_bytes"


def limits_of(candidates: Candidates) -> tuple[Limit, ...]:
    """Those of the budget; nothing that needs an image is computed before a cost is asked for.

    Raises:
        SpecError: if inference memory is limited, and does not follow from the channels of the model.
    """
    return tuple(_limits(candidates))


def _limits(candidates: Candidates) -> Iterator[Limit]:
    budget, sizes = candidates.spec.budget, candidates.sizes
    if budget.max_stored_bytes is not None:
        yield Limit(name=STORED, unit="stored bytes", most=budget.max_stored_bytes, cost=candidates.stored_bytes)
    if budget.max_inference_bytes is not None:
        cost = _inference(candidates)
        yield Limit(
            name=INFERENCE, unit="bytes of inference memory", most=budget.max_inference_bytes,
            cost=lambda rates: cost.at(sizes(rates)).least,
        )  # fmt: skip
    if budget.max_synaptic_operations is not None:

        @cache
        def estimated() -> Callable[[Sizes], float]:
            return estimate(candidates.network, candidate_operations(candidates, {}))

        yield Limit(
            name=SYNAPTIC, unit="synaptic operations", most=budget.max_synaptic_operations,
            cost=lambda rates: estimated()(sizes(rates)),
            measure=lambda rates: candidate_operations(candidates, rates).synaptic,
        )  # fmt: skip


def measured(after: Measurement) -> Mapping[str, float]:
    """Of the delivered model what estimates were of."""
    return {SYNAPTIC: after.synaptic_operations}


def _inference(candidates: Candidates) -> InferenceCost:
    config = candidates.time_steps.as_run(candidates.shorter_config)
    record = recording(candidates.family, config, frames=candidates.has_frames)
    try:
        return inference.of(candidates.network, record)
    except ValueError as error:
        raise SpecError(
            f"inference memory cannot be limited for models of the family {candidates.inspection.family_key}: {error}"
        ) from None
