"""What a run reports of what it measures: accuracies, or disagreements where what the original says counts."""

from __future__ import annotations

from primesvt_client.facts import CandidateFacts, CellFacts, DisagreementFacts, TrialFacts
from primesvt_core.promise.bounds import Paired
from primesvt_core.types import Outcome, ProfileCell


def cell_facts(cell: ProfileCell, *, by_disagreement: bool) -> CellFacts | DisagreementFacts:
    """Of one channel group pruned alone."""
    if by_disagreement:
        return DisagreementFacts(
            group=cell.group, rate=cell.rate, disagreement=cell.accuracy_drop, is_bound=cell.is_bound,
            divergence=cell.divergence,
        )  # fmt: skip
    return CellFacts(
        group=cell.group, rate=cell.rate, accuracy=cell.accuracy, accuracy_drop=cell.accuracy_drop,
        is_bound=cell.is_bound, divergence=cell.divergence,
    )  # fmt: skip


def candidate_facts(
    outcome: Outcome,
    *,
    by_disagreement: bool,
    group: str = "",
    rate: float = 0.0,
    divergence: float | None = None,
) -> CandidateFacts | DisagreementFacts:
    """Of a candidate of the search.

    Args:
        outcome: on the search split.
        by_disagreement: whether its accuracy is how often it agrees with the original.
        group: that was changed last; empty where many were.
        rate: of that group.
        divergence: where it was measured.
    """
    if by_disagreement:
        return DisagreementFacts(
            group=group, rate=rate, disagreement=1 - outcome.accuracy, memory_saving=outcome.memory_saving,
            is_bound=outcome.is_bound, divergence=divergence,
        )  # fmt: skip
    return CandidateFacts(
        group=group, rate=rate, accuracy=outcome.accuracy, memory_saving=outcome.memory_saving,
        is_bound=outcome.is_bound, divergence=divergence,
    )  # fmt: skip


def trial_facts(pair: Paired, memory_saving: float) -> TrialFacts | DisagreementFacts:
    """Of a candidate's confirmation."""
    if pair.by_disagreement:
        return DisagreementFacts(disagreement=pair.drop, memory_saving=memory_saving, samples=pair.samples)
    return TrialFacts(memory_saving=memory_saving, accuracy_drop=pair.drop, samples=pair.samples)
