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
        "No model that keeps the accuracy floor reaches the target. This is the smallest one that was confirmed.",
    ),
    Verdict.NOT_PROVEN: VerdictText(
        "Not proven",
        "The measured accuracy drop is within the budget, but the confirmation images are too few to prove that.",
    ),
    Verdict.NOTHING_PRUNABLE: VerdictText(
        "Nothing can be pruned",
        "No channel group can be pruned at any of the rates without breaking the accuracy floor on the search images."
        " This is the original model.",
    ),
    Verdict.FLOOR_MISSED: VerdictText(
        "Accuracy floor missed",
        "The model was pruned by a given plan, and loses more accuracy on the confirmation images than the budget"
        " allows.",
    ),
    Verdict.NOT_MEASURED: VerdictText(
        "Not measured",
        "The model was pruned by a given plan without data: what it loses of the accuracy is not known.",
    ),
}

GIVEN_ALONE = frozenset({Verdict.FLOOR_MISSED, Verdict.NOT_MEASURED})
"""Verdicts of plans that are given: the pruned model is delivered, whatever it loses."""

ORIGINAL_IS_DELIVERED: Mapping[str, str] = {
    Verdict.MET: "The original model meets every limit of the budget already: nothing was removed.",
    Verdict.ACCURACY_FLOOR_REACHED: (
        "No smaller model kept the accuracy floor on images that the search did not use. This is the original model."
    ),
    Verdict.NOT_PROVEN: (
        "A smaller model was measured to stay within the allowed accuracy drop, but the confirmation images are too"
        " few to prove that. This is the original model."
    ),
}
"""What a verdict means where no smaller model is delivered."""

ACCURACY_IS_FREE = "The pruned model meets every limit of the budget, which sets none for the accuracy."
TOO_MANY_OPERATIONS = (
    "The pruned model was measured to need more synaptic operations than the budget allows. It is the nearest one to"
    " the target that was confirmed."
)
LESS_IS_DELIVERED = (
    "A model that reaches the target was measured to stay within the allowed accuracy drop, but the confirmation images"
    " are too few to prove that. This is a model that saves less, and is confirmed."
)


BY_DISAGREEMENT: Mapping[str, str] = {
    Verdict.ACCURACY_FLOOR_REACHED: (
        "No model within the allowed disagreement reaches the target. This is the smallest one that was confirmed."
    ),
    Verdict.NOT_PROVEN: (
        "The measured disagreement with the original is within the budget, but the confirmation images are too few to"
        " prove that."
    ),
    Verdict.NOTHING_PRUNABLE: (
        "No channel group can be pruned at any of the rates without exceeding the allowed disagreement on the search"
        " images. This is the original model."
    ),
    Verdict.FLOOR_MISSED: (
        "The model was pruned by a given plan, and predicts another class than the original on more confirmation"
        " images than the budget allows."
    ),
}
"""What a verdict means where the budget limits the disagreement with the original, if that is not the same."""

ORIGINAL_BY_DISAGREEMENT: Mapping[str, str] = {
    **ORIGINAL_IS_DELIVERED,
    Verdict.ACCURACY_FLOOR_REACHED: (
        "No smaller model stayed within the allowed disagreement on images that the search did not use. This is the"
        " original model."
    ),
    Verdict.NOT_PROVEN: (
        "A smaller model was measured to stay within the allowed disagreement, but the confirmation images are too few"
        " to prove that. This is the original model."
    ),
}
LESS_BY_DISAGREEMENT = (
    "A model that reaches the target was measured to stay within the allowed disagreement, but the confirmation images"
    " are too few to prove that. This is a model that saves less, and is confirmed."
)


def title(verdict: str | None) -> str:
    """What a verdict is called; one of another version by its name, none if there is none."""
    known = VERDICTS.get(verdict or "")
    return known.title if known else verdict or ""


def meaning(verdict: str, *, is_original: bool, is_proven: bool, has_floor: bool, by_disagreement: bool = False) -> str:
    """What a verdict means for the model that is delivered; empty for a verdict of another version.

    Args:
        verdict: of the run.
        is_original: whether the delivered model is the original.
        is_proven: whether its accuracy is.
        has_floor: whether the budget limits the accuracy.
        by_disagreement: whether it does so by the disagreement with the original.
    """
    of_original = ORIGINAL_BY_DISAGREEMENT if by_disagreement else ORIGINAL_IS_DELIVERED
    if is_original and verdict in of_original:
        return of_original[verdict]
    if verdict == Verdict.MET and not has_floor:
        return ACCURACY_IS_FREE
    if verdict == Verdict.NOT_PROVEN and is_proven:
        return LESS_BY_DISAGREEMENT if by_disagreement else LESS_IS_DELIVERED
    if by_disagreement and verdict in BY_DISAGREEMENT:
        return BY_DISAGREEMENT[verdict]
    return VERDICTS[verdict].meaning if verdict in VERDICTS else ""
