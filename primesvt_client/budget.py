"""The budget of a constraint spec: what the pruned model may lose, and how large it may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from primesvt_client.inputs import LARGEST as LARGEST
from primesvt_client.inputs import Input, Unit
from primesvt_client.spec_types import Count, Fraction, Frozen


class Budget(Frozen):
    """Limits of accuracy, memory and computing, at least one. If two limits conflict, the stricter one applies."""

    max_accuracy_drop: Annotated[Fraction | None, Input(unit=Unit.POINTS)] = Field(
        default=None,
        title="Max. accuracy drop",
        description="Largest accuracy drop against the original model.",
        examples=[0.03],
    )
    min_accuracy: Annotated[Fraction | None, Input(unit=Unit.PERCENT)] = Field(
        default=None, title="Min. accuracy", description="Lowest accuracy of the pruned model.", examples=[0.9]
    )
    max_disagreement: Annotated[Fraction | None, Input(unit=Unit.PERCENT)] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Max. disagreement",
        description="Largest share of images on which the pruned model may predict another class than the original: no"
        " accuracy drop exceeds it, and it needs no labels. In place of the limits of accuracy.",
        examples=[0.05],
    )
    min_memory_saving: Annotated[Fraction | None, Input(unit=Unit.PERCENT)] = Field(
        default=None,
        title="Min. memory saving",
        description="Smallest share of the parameter memory to save; as much as the accuracy allows if not given.",
        examples=[0.25],
    )
    max_parameter_bytes: Annotated[Count | None, Input(unit=Unit.BYTES, name="max_parameter_mebibytes")] = Field(
        default=None, title="Max. parameter memory", description="Largest parameter memory of the pruned model."
    )
    max_macs: Count | None = Field(
        default=None,
        title="Max. multiply-accumulates",
        description="Most multiply-accumulates of the pruned model for one image over all time steps, zeros counted.",
    )
    max_inference_bytes: Annotated[Count | None, Input(unit=Unit.BYTES, name="max_inference_mebibytes")] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Max. inference memory",
        description="Largest peak memory of computing one image with the pruned model, parameters included, by the"
        " schedule that needs less: layer by layer, or time step by time step.",
    )
    max_synaptic_operations: Count | None = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Max. synaptic operations",
        description="Most accumulates that spikes cause in the pruned model for one image over all time steps, the mean"
        " over search images.",
    )
    max_stored_bytes: Annotated[Count | None, Input(unit=Unit.BYTES, name="max_stored_mebibytes")] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Max. stored size",
        description="Most bytes of parameters in the pruned model's file, at the precision of the stored weights.",
    )
    max_time_steps: Count | None = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Max. time steps",
        description="Most time steps that the pruned model runs for; its accuracy drop is against the original over all"
        " of its own. Beside another limit.",
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Budget:
        if all(value is None for name, value in self.model_dump().items() if name != "max_time_steps"):
            raise ValueError(
                "a budget needs at least one of max_accuracy_drop, min_accuracy, max_disagreement, min_memory_saving,"
                " max_parameter_bytes, max_macs, max_inference_bytes, max_synaptic_operations, max_stored_bytes"
            )
        return self

    @field_validator("max_disagreement")
    @classmethod
    def _instead_of_accuracy(cls, given: float | None, info: ValidationInfo) -> float | None:
        others = [name for name in ("max_accuracy_drop", "min_accuracy") if info.data.get(name) is not None]
        if given is not None and others:
            raise ValueError(
                f"it stands in place of {' and '.join(others)}: what differs on so many images drops by no more; give"
                " one of them alone"
            )
        return given

    @property
    def by_disagreement(self) -> bool:
        """Whether what the original says counts instead of labels, which then need not be there."""
        return self.max_disagreement is not None

    @property
    def allowed_drop(self) -> float | None:
        """The largest accuracy drop that is stated, or disagreement; a least accuracy leaves one, too."""
        return self.max_disagreement if self.by_disagreement else self.max_accuracy_drop

    @property
    def has_memory_target(self) -> bool:
        """Whether a saving is asked for; otherwise as much as possible is saved within the accuracy floor."""
        return self.min_memory_saving is not None or self.max_parameter_bytes is not None

    @property
    def has_target(self) -> bool:
        """Whether the pruned model has to become so small, in memory, in its file or in what it computes."""
        others = (self.max_macs, self.max_inference_bytes, self.max_synaptic_operations, self.max_stored_bytes)
        return self.has_memory_target or any(limit is not None for limit in others)

    @property
    def has_accuracy_floor(self) -> bool:
        """Whether the loss of accuracy is bounded, if only by the disagreement."""
        return self.allowed_drop is not None or self.min_accuracy is not None
