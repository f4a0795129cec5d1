"""What a report has of both models on the confirmation split, and of what is promised of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Confirmation(_Frozen):
    """The paired test on images that the search never saw."""

    samples: int
    lost: int | None = Field(
        description="Images that only the original gets right; null without labels, as are the next two."
    )
    won: int | None = Field(description="Images that only the pruned model gets right.")
    accuracy_drop: float | None
    drop_upper_bound: float = Field(
        description="One-sided paired upper bound of the drop, at the level at which this candidate was tested; where a"
        " disagreement is promised, its bound, which no drop exceeds."
    )
    confidence: float = Field(
        description="That the true drop, or disagreement, is within the allowed one, whichever of the tested candidates"
        " is delivered."
    )
    candidates: int = Field(description="Candidates that were tested.")
    allowed_drop: float | None = Field(description="Null where the accuracy is not limited, or by the disagreement.")
    held: bool = Field(description="Whether that is so; false if the delivered model is not proven.")
    differing: int | None = Field(
        default=None,
        description="Images on which the pruned model predicts another class than the original; null unless a"
        " disagreement is promised, as are the next three.",
    )
    disagreement: float | None = Field(default=None, description="Their share.")
    disagreement_upper_bound: float | None = Field(
        default=None, description="One-sided binomial upper bound of the disagreement, at the level of the test."
    )
    allowed_disagreement: float | None = Field(default=None, description="By the budget.")

    @property
    def allowed_loss(self) -> float | None:
        """The drop that is allowed, or the disagreement; None without a limit."""
        return self.allowed_drop if self.allowed_disagreement is None else self.allowed_disagreement


class ClassFigures(_Frozen):
    """One class of the confirmation split."""

    name: str = Field(description="Of the class; its number where the data set does not name it.")
    images: int
    right_before: int = Field(description="Images that the original gets right.")
    right_after: int = Field(description="Images that the delivered model gets right.")

    @property
    def accuracy_drop(self) -> float:
        """Accuracy of the original on the class less that of the delivered model."""
        return (self.right_before - self.right_after) / self.images if self.images else 0.0


class DifferingImage(_Frozen):
    """An image of the confirmation split of which the delivered model says something else than the original.

    On all others both are right, or both wrong: to know the accuracy drop, these have to be labelled and no others.
    """

    index: int = Field(description="Place in the data set, from 0.")
    name: str | None = Field(description="Of its file; null of arrays.")
    class_before: int = Field(description="Number of the class that the original predicts.")
    class_after: int = Field(description="Number of the class that the delivered model predicts.")


class TimeStepFigures(_Frozen):
    """Both models after so many time steps, on the confirmation split."""

    time_steps: int = Field(description="From one to all; of frames the first so many.")
    accuracy_before: float | None = Field(description="Null without labels, as is the next.")
    accuracy_after: float | None = Field(description="Null beyond the time steps that the delivered model runs for.")
    disagreement_before: float | None = Field(
        default=None,
        description="Of the original stopped here, with the original over all its time steps; null unless a"
        " disagreement is promised.",
    )
    disagreement_after: float | None = Field(default=None, description="Of the delivered model, likewise.")

    @property
    def before(self) -> float:
        """Accuracy of the original, or its agreement where that is not known."""
        return 1 - (self.disagreement_before or 0.0) if self.accuracy_before is None else self.accuracy_before

    @property
    def after(self) -> float | None:
        """The same of the delivered model."""
        if self.accuracy_before is not None:
            return self.accuracy_after
        return None if self.disagreement_after is None else 1 - self.disagreement_after


class LimitFigures(_Frozen):
    """One limit of the budget, and what the delivered model has of it."""

    name: str = Field(description="Field of the budget.")
    allowed: float
    delivered: float = Field(
        description="Of the accuracy or the disagreement what its bound says, at the confidence; of synaptic operations"
        " as measured; of inference memory by the schedule that needs less."
    )
    kept: bool


class FamilyFigures(_Frozen):
    """Budgets that were asked for of one finished curve on one confirmation split, and the promise that all share."""

    candidates: int = Field(description="Points of the curve; the bounds of all of them hold together.")
    confidence: float = Field(
        description="That nothing delivered for any budget of this curve, these or others, drops by more than that."
    )
    candidate_confidence: float = Field(description="Of the bound of each point, so that all hold together.")
    budgets: tuple[float, ...] = Field(
        description="Drops that were asked for since the curve was found, in their order."
    )
    first_budget: float | None = Field(
        description="Drop that the run that found the curve was allowed; its promise is its own, beside this one."
    )
    error_spent: float = Field(description="Probability that its promise or any of the family's is broken, at most.")
