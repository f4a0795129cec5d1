"""What verdicts are called and what they mean: for commands, pages and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from primesvt_client.states import Verdict


class VerdictText(NamedTuple):
    """A verdict for people."""

    title: str
    meaning: str


VERDICTS: Mapping[str, VerdictText] = {
    Verdict.MET: VerdictText(
        "Budget met",
        "The pruned model meets every limit of the budget, confirmed on images that the search did not use.",
    ),
    Verdict.ACCURACY_FLOOR_REACHED: VerdictText(
        "Accuracy floor reached",
        "No model within the accuracy floor reaches the memory target. This is the smallest one found.",
    ),
    Verdict.NOT_PROVEN: VerdictText(
        "Not proven",
        "The measured accuracy drop is within the budget, but the confirmation images are too few to prove that.",
    ),
    Verdict.NOTHING_PRUNABLE: VerdictText(
        "Nothing can be pruned",
        "No channel group can be pruned at any rate without breaking the accuracy floor. This is the original model.",
    ),
}

NO_SMALLER_MODEL = (
    "No smaller model kept the accuracy floor on images that the search did not use. This is the original."
)
"""Of a verdict `ACCURACY_FLOOR_REACHED` whose smallest model is the original."""
