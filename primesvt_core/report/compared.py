"""What a report has of candidates on the search split, beside what tests of them found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProfileFigures(_Frozen):
    """One point of a robustness curve, on the search split."""

    group: str
    rate: float
    kept: int
    accuracy: float | None = Field(
        description="The highest possible where it is a bound; null where a disagreement is promised, as is the next."
    )
    accuracy_drop: float | None = Field(description="The least possible where it is a bound.")
    disagreement: float | None = Field(
        default=None, description="With the original, where that is promised; the least possible where it is a bound."
    )
    memory_saving: float
    samples: int | None = Field(
        default=None, description="Images that were counted; all of the search split where it is not known."
    )
    is_bound: bool = Field(
        default=False, description="Whether the group was found to lose too much before all images were counted."
    )
    divergence: float | None = Field(
        default=None, description="Mean KL of the original's predictions against these, in nats, where it was measured."
    )

    @property
    def loss(self) -> float:
        """What is lost: accuracy, or agreement with the original."""
        return self.disagreement or 0.0 if self.accuracy_drop is None else self.accuracy_drop


class BaselineFigures(_Frozen):
    """One model of the delivered memory, compared with the original as candidates of the search are."""

    name: Literal["delivered", "uniform", "random"] = Field(
        description="`delivered`: the delivered candidate, as it was compared; `uniform`: one rate for all groups, with"
        " the same criterion; `random`: the delivered sizes, with channels by chance."
    )
    parameter_bytes: int
    memory_saving: float
    accuracy: float | None = Field(description="Null where a disagreement is promised, as is the next.")
    accuracy_drop: float | None
    disagreement: float | None = Field(default=None, description="With the original, where that is promised.")
    divergence: float = Field(description="Mean KL of the original's predictions against its, in nats.")
    samples: int = Field(description="Images of the search split.")
    repair: str = Field(description="That all of them have: the repair of the search. None has learned.")

    @property
    def loss(self) -> float:
        """What is lost: accuracy, or agreement with the original."""
        return self.disagreement or 0.0 if self.accuracy_drop is None else self.accuracy_drop


class AgreementFigures(_Frozen):
    """The engine's predictions beside those of the modules as they are, for every accepted step and close decision."""

    compared: int = Field(description="Predictions on the search split that both have made.")
    differing: int


class CurveFigures(_Frozen):
    """One accepted step, on the search split, with its result on the confirmation split if it was tested there."""

    group: str | None
    rates: dict[str, float]
    accuracy: float | None = Field(description="Null where a disagreement is promised, as is the next.")
    accuracy_drop: float | None
    disagreement: float | None = Field(default=None, description="With the original, where that is promised.")
    parameter_bytes: int
    memory_saving: float
    divergence: float | None = Field(
        default=None,
        description="Of the original's predictions from the candidate's, where the policy measured it; new in 2.",
    )
    confirmed_drop: float | None = None
    drop_upper_bound: float | None = Field(
        default=None, description="Of the drop, with the confidence of the candidate's test; new in 2."
    )
    confirmed_disagreement: float | None = None
    disagreement_upper_bound: float | None = Field(
        default=None, description="Of the disagreement, likewise, where that is what is promised and tested."
    )
    confirmed: bool | None = None

    @property
    def loss(self) -> float:
        """What is lost on the search split: accuracy, or agreement with the original."""
        return self.disagreement or 0.0 if self.accuracy_drop is None else self.accuracy_drop

    @property
    def confirmed_loss(self) -> float | None:
        """The same on the confirmation split; None where it was not tested."""
        return self.confirmed_disagreement if self.confirmed_drop is None else self.confirmed_drop

    @property
    def loss_upper_bound(self) -> float | None:
        """Of what is lost, at the level of the test; likewise."""
        return self.disagreement_upper_bound if self.drop_upper_bound is None else self.drop_upper_bound
