"""The constraint spec: what a user asks for, as one YAML or JSON document.

The command line (``--spec``), the API (a job's body) and the report (what was asked) share this model; its JSON Schema
is `json_schema`. Nothing here needs torch, so that the API validates a spec for real.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from primesvt_client.errors import SpecError, without_type

TEXT = r"^[^\x00]*$"
"""Any text but U+0000, which PostgreSQL does not store; nor halves of surrogate pairs, which are no text."""

LARGEST = 1 << 50
"""Far beyond every model, data set, disk and quota; JSON, databases and clients still count to it exactly."""

Text = Annotated[str, Field(pattern=TEXT)]
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
Side = Annotated[int, Field(ge=1, le=4096)]
Deviation = Annotated[float, Field(gt=0.0, le=LARGEST)]
AssumptionValue = bool | Whole | Real | Text
ParameterValue = AssumptionValue | tuple[AssumptionValue, ...]

DEVICES = r"^(auto|cpu|cuda(:(0|[1-9][0-9]?))?)$"  # torch reads no other digits, and 128 as -128
DEFAULT_RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


BEYOND_JSON = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "binary", "set", "omap", "pairs"))


class _JsonLoader(yaml.SafeLoader):
    """Reads what JSON has too, since specs are sent and kept as JSON; what looks like a date is text."""


_JsonLoader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag not in BEYOND_JSON
}
_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in BEYOND_JSON]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(_Frozen):
    """How much accuracy may go and how much memory must; where two bounds agree, the stricter holds."""

    max_accuracy_drop: Fraction | None = Field(
        default=None, description="Largest loss of accuracy; 0.03 is three points."
    )
    min_accuracy: Fraction | None = Field(default=None, description="Lowest accuracy of the pruned model.")
    min_memory_saving: Fraction | None = Field(
        default=None, description="Smallest share of the parameter memory that must go; 0.25 is a quarter."
    )
    max_parameter_bytes: Count | None = Field(
        default=None, description="Largest parameter memory of the pruned model, in bytes."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Budget:
        if all(value is None for value in self.model_dump().values()):
            raise ValueError(
                "a budget needs at least one of max_accuracy_drop, min_accuracy, min_memory_saving, max_parameter_bytes"
            )
        return self

    @property
    def has_memory_target(self) -> bool:
        """Whether a saving is asked for; otherwise as much as possible is saved within the accuracy floor."""
        return self.min_memory_saving is not None or self.max_parameter_bytes is not None

    @property
    def has_accuracy_floor(self) -> bool:
        """Whether the loss of accuracy is bounded."""
        return self.max_accuracy_drop is not None or self.min_accuracy is not None


class SplitSizes(_Frozen):
    """Upper bounds on the images of each split; what no split takes is never looked at."""

    calibration_images: Count = 256
    search_images: Count = 1000
    confirmation_images: Count = 4000


class PreprocessingOverrides(_Frozen):
    """What differs from the family's own preprocessing."""

    resize: Side | None = Field(default=None, description="Shorter side after resizing, pixels.")
    crop: Side | None = Field(default=None, description="Side of the centre crop, pixels.")
    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = None
    mean: tuple[Real, ...] | None = Field(default=None, description="Per channel, on the 0-1 scale.")
    std: tuple[Deviation, ...] | None = Field(default=None, description="Per channel, on the 0-1 scale.")

    def over(self, others: PreprocessingOverrides) -> PreprocessingOverrides:
        """These, and what only ``others`` say."""
        return others.model_copy(update=self.model_dump(exclude_none=True))


class FineTuning(_Frozen):
    """Getting accuracy back with gradients: AdamW, cosine schedule, surrogate gradients."""

    epochs: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    learning_rate: Annotated[float, Field(gt=0, le=LARGEST)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0, le=LARGEST)] = 0.01
    batch_size: Count = 64
    distillation: Fraction = Field(
        default=0.5, description="Weight of the original model's predictions beside the labels; 0 switches it off."
    )


class CompressionSpec(_Frozen):
    """One constraint spec."""

    budget: Budget
    policy: str = "prioritized"
    policy_params: dict[Text, ParameterValue] = Field(
        default_factory=dict,
        validate_default=True,  # a policy may have a parameter without a default
        exclude_if=lambda given: not given,
        description="Parameters of the policy by name; those that are not given have its defaults.",
    )
    criterion: str = "l2"
    rates: tuple[Rate, ...] = Field(default=DEFAULT_RATES, description="Pruning rates that profile and search try.")
    groups: tuple[Text, ...] = Field(
        default=("*",), description="Name patterns (*, ?) of the channel groups that may be pruned."
    )
    excluded_groups: tuple[Text, ...] = Field(default=(), description="Name patterns of groups to leave alone.")
    splits: SplitSizes = SplitSizes()
    preprocessing: PreprocessingOverrides = PreprocessingOverrides()
    fine_tuning: FineTuning = FineTuning()
    assumptions: dict[Text, AssumptionValue] = Field(
        default_factory=dict,
        description="Config fields that weights cannot tell: time_steps, num_heads, image_size ...",
    )
    container: Annotated[str, Field(min_length=1, max_length=256, pattern=TEXT)] | None = Field(
        default=None,
        description="Which weights of a file that has several (state_dict_ema ...); as they were trained if not given.",
    )
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] = Field(
        default=0.95, description="Confidence with which the accuracy floor must hold on unseen data."
    )
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 50
    device: str = Field(default="auto", pattern=DEVICES)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @field_validator("rates")
    @classmethod
    def _sorted_rates(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if not rates:
            raise ValueError("at least one rate is needed")
        return tuple(sorted(set(rates)))


Spec = TypeVar("Spec", bound=CompressionSpec)


def parse_as(kind: type[Spec], document: Mapping[str, JsonValue]) -> Spec:
    """Validate a spec as ``kind``: this declaration, or one that knows more.

    Raises:
        SpecError: naming every field that is wrong.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'spec'}: {without_type(e['msg'])}" for e in error.errors()]
        raise SpecError("the constraint spec is wrong: " + "; ".join(problems), facts={"problems": problems}) from None


def read_document(path: Path) -> dict[str, JsonValue]:
    """Read a YAML or JSON file into a mapping (not validated: options of the command line are laid over it first).

    Raises:
        SpecError: if the file is unreadable or no mapping.
    """
    try:
        document = _JsonLoader(path.read_text(encoding="utf-8")).get_single_data()
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"cannot read the constraint spec {path}: {error}") from None
    if not isinstance(document, dict):
        raise SpecError(f"the constraint spec {path} is not a mapping of fields")
    return document
