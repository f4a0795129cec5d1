"""Another budget for a finished run: the limit that it promised, of an accuracy drop or of a disagreement, anew."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from primesvt_client.budget import Budget
from primesvt_client.errors import SpecError
from primesvt_client.spec import CompressionSpec, parse_as

LIMITS = ("max_accuracy_drop", "max_disagreement")
"""Of a budget, those that can be another; a run has promised one of them."""


def another_budget(document: Mapping[str, object], refusal: str) -> Budget:
    """The budget of a spec that has nothing but one of these limits.

    Args:
        document: the spec.
        refusal: what is told where it has anything else.

    Raises:
        SpecError: it has, or the limit is none.
    """
    budget = document.get("budget")
    if [*document] != ["budget"] or not isinstance(budget, dict) or [*budget] not in ([name] for name in LIMITS):
        raise SpecError(refusal)
    return parse_as(CompressionSpec, {"budget": budget}).budget


def limit_of(budget: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The one of these limits that a budget has, alone."""
    return {name: budget[name] for name in LIMITS if budget.get(name) is not None}
