"""Fine-tuning, as a constraint spec asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from primesvt_client.inputs import LARGEST as LARGEST
from primesvt_client.inputs import SPEC_ONLY, Input, Unit
from primesvt_client.spec_types import MOST_EPOCHS, MOST_SECONDS, AtOnce, Fraction, Frozen

USUAL_SECONDS = 300.0
"""Of fine-tuning, where only the accuracy that it recovers to is given."""


class FineTuning(Frozen):
    """Recovering accuracy with gradients: AdamW, cosine schedule, surrogate gradients.

    By epochs every candidate that is tested learns from the labels of training data, the original beside them. By time
    (``seconds``, ``recover_to``) a few candidates that are worth it learn, until they lose little enough; from the
    original alone, without labels, unless ``distillation`` says otherwise.
    """

    epochs: Annotated[
        int, Field(ge=0, le=MOST_EPOCHS), Input(option="--fine-tune-epochs", name="fine_tuning_epochs")
    ] = Field(default=0, title="Fine-tuning epochs", description="Epochs of fine-tuning after the search.")
    seconds: Annotated[
        float | None,
        Field(gt=0, le=MOST_SECONDS),
        Input(option="--fine-tune-seconds", name="fine_tuning_seconds"),
    ] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Fine-tuning time",
        description="Seconds of fine-tuning at most, all candidates together; it ends before where the budget is met by"
        " estimate. The original teaches, without labels.",
    )
    recover_to: Annotated[Fraction | None, Input(unit=Unit.PERCENT)] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Recover to accuracy",
        description="Accuracy, by estimate, at which fine-tuning ends before its time"
        f" ({USUAL_SECONDS:.0f} seconds if not given) is over. The report says whether the delivered model reaches it.",
        examples=[0.9],
    )
    learning_rate: Annotated[float, Field(gt=0, le=LARGEST)] = Field(
        default=5e-4, title="Learning rate", description="Learning rate at the beginning of fine-tuning."
    )
    layer_rates: Annotated[Literal["equal", "by_width"], SPEC_ONLY] = Field(
        default="equal",
        exclude_if=lambda given: given == "equal",
        description="by_width: a layer that has lost inputs learns faster, by the root of the ratio of their numbers.",
    )
    learns: Annotated[Literal["last_part", "all"], SPEC_ONLY] = Field(
        default="last_part",
        exclude_if=lambda given: given == "last_part",
        description="What of a repaired model learns by time. last_part: its end, with at most half of the computing;"
        " what is before it is computed once for every image. all: every layer, which takes more time and images.",
    )
    weight_decay: Annotated[float, Field(ge=0, le=LARGEST), SPEC_ONLY] = 0.01
    batch_size: Annotated[AtOnce, SPEC_ONLY] = 64
    distillation: Annotated[float, Field(ge=0, le=1), SPEC_ONLY] = Field(
        default=0.5,
        description="Weight of the original model's predictions beside the labels; 0 switches it off, 1 leaves the"
        " labels out, which is the default of fine-tuning by time.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_labels(cls, document: object) -> object:
        """By time alone, no labels are looked at unless they are asked for."""
        if not isinstance(document, Mapping) or document.get("epochs") or "distillation" in document:
            return document
        is_timed = document.get("seconds") is not None or document.get("recover_to") is not None
        return {**document, "distillation": 1.0} if is_timed else document

    @property
    def is_asked(self) -> bool:
        """Whether anything is fine-tuned."""
        return self.epochs > 0 or self.is_timed

    @property
    def is_timed(self) -> bool:
        """Whether it is by time, of candidates that are worth it."""
        return self.seconds is not None or self.recover_to is not None

    @property
    def time_limit(self) -> float:
        """In seconds, where it is by time."""
        return USUAL_SECONDS if self.seconds is None else self.seconds

    @property
    def has_labels(self) -> bool:
        """Whether labels are looked at."""
        return self.distillation < 1
