"""The constraint spec: what a user asks for, as one YAML or JSON document.

The command line (``--spec``), the API (a job's body) and the report share this model. Options of the command line and
inputs of the form are derived from its fields (`primesvt_client.inputs`): each has its label (title), its help
(description), bounds, default and unit here and nowhere else. Nothing here needs torch, so that the API validates a
spec for real.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    Field,
    JsonValue,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from primesvt_client.budget import Budget as Budget
from primesvt_client.errors import SpecError, without_type
from primesvt_client.fine_tuning import FineTuning as FineTuning
from primesvt_client.inputs import LARGEST as LARGEST
from primesvt_client.inputs import SPEC_ONLY, Input, Unit
from primesvt_client.presets import DEFAULT_PRESET, Preset, default_of, described, resolved
from primesvt_client.spec_types import (
    CEILINGS,
    DEVICES,
    MOST_RATES,
    TEXT,
    AssumptionValue,
    AtOnce,
    ClassOrder,
    Count,
    Deviation,
    Fraction,
    Frozen,
    ParameterValue,
    Rate,
    Real,
    Side,
    StoredPrecision,
    Text,
    ValueRange,
)

MOST_PERCENT = 100

SPLIT_SHARES = (0.10, 0.35, 0.55)
"""Of calibration, search and confirmation, where the bounds of the spec do not bite."""


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


class SplitSizes(Frozen):
    """Upper bounds on the images of each split; what no split takes is not used."""

    calibration_images: Annotated[Count, SPEC_ONLY] = Field(
        default=256,
        title="Calibration images",
        description=f"Images that calibrate, at most. {described('splits', 'calibration_images')}",
    )
    calibration_first: Annotated[Count | None, SPEC_ONLY] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Calibration images drawn first",
        description="Calibration images that are drawn before the search and confirmation images, which therefore do"
        " not depend on the number of the others; all of them if not given.",
    )
    search_images: Count = Field(
        default=1000, title="Search images", description="Images that profile and search use, at most."
    )
    confirmation_images: Count = Field(
        default=4000, title="Confirmation images", description="Held-out images that confirm the result, at most."
    )

    def counts(self, samples: int) -> tuple[int, int, int]:
        """Images that calibrate, that search and that confirm, of a data set with so many."""
        bounds = (self.calibration_images, self.search_images, self.confirmation_images)
        calibration, search, confirmation = (
            max(1, min(bound, int(share * samples))) for bound, share in zip(bounds, SPLIT_SHARES, strict=True)
        )
        return calibration, search, confirmation


class PreprocessingOverrides(Frozen):
    """What differs from the family's own preprocessing."""

    resize: Annotated[Side | None, Input()] = Field(
        default=None,
        title="Resize to",
        description="Shorter side after resizing, pixels; the model's own if not given.",
    )
    crop: Annotated[Side | None, Input()] = Field(
        default=None, title="Crop to", description="Side of the centre crop, pixels; the model's own if not given."
    )
    interpolation: Annotated[Literal["nearest", "bilinear", "bicubic"] | None, SPEC_ONLY] = None
    mean: Annotated[tuple[Real, ...] | None, Input()] = Field(
        default=None,
        title="Mean",
        description="Mean of every channel, on the 0-1 scale; the model's own if not given.",
        examples=[[0.5, 0.5, 0.5]],
    )
    std: Annotated[tuple[Deviation, ...] | None, Input()] = Field(
        default=None,
        title="Standard deviation",
        description="Standard deviation of every channel, on the 0-1 scale; the model's own if not given.",
        examples=[[0.5, 0.5, 0.5]],
    )

    @property
    def has_statistics(self) -> bool:
        """Whether mean and deviation are given, which tell how values that are no 0-1 floats are normalised."""
        return self.mean is not None and self.std is not None

    def over(self, others: PreprocessingOverrides) -> PreprocessingOverrides:
        """These, and what only ``others`` say."""
        return others.model_copy(update=self.model_dump(exclude_none=True))


class KnownAssumptions(Frozen):
    """The assumptions that have options and inputs of their own; not a part of a spec's document as such."""

    time_steps: Count | None = Field(
        default=None, title="Time steps (T)", description="Time steps T, if the checkpoint does not contain them."
    )
    num_heads: Annotated[Count | None, Input(option="--heads")] = Field(
        default=None, title="Attention heads", description="Attention heads, if the checkpoint does not contain them."
    )


class CompressionSpec(Frozen):
    """One constraint spec."""

    budget: Budget
    preset: Annotated[Preset, Input()] = Field(
        default=DEFAULT_PRESET,
        title="Preset",
        description="Defaults of policy, criterion, repair and calibration images: deep prunes as much as is known how,"
        " paper as the paper describes.",
    )
    policy: Annotated[str, Input(plugins="policies", by_preset=True)] = Field(
        default=default_of("policy"),
        title="Policy",
        description=f"Search policy, which chooses the pruning rates. {described('policy')}",
    )
    policy_params: Annotated[dict[Text, ParameterValue], Input(option="--policy-param", has_lists=True)] = Field(
        default_factory=dict,
        validate_default=True,  # a policy may have a parameter without a default
        exclude_if=lambda given: not given,
        title="Parameters of the policy",
        description="Parameters of the policy by name; those that are not given have its defaults.",
    )
    criterion: Annotated[str, Input(plugins="criteria", by_preset=True)] = Field(
        default=default_of("criterion"),
        title="Criterion",
        description=f"Ranks the channels of a group. {described('criterion')}",
    )
    repair: Annotated[str, Input(plugins="repairs", others=("none",), by_preset=True)] = Field(
        default=default_of("repair"),
        title="Repair",
        description=f"Adapts the remaining weights, without gradients; none leaves them. {described('repair')}",
    )
    rates: Annotated[
        Annotated[tuple[Rate, ...], Field(max_length=MOST_RATES)], Input(unit=Unit.PERCENT, by_preset=True)
    ] = Field(
        default=tuple(default_of("rates")),
        title="Pruning rates",
        description="Pruning rates that the profile measures and that a search by accuracy tries.",
    )
    profile: Annotated[Literal["needed", "full"], Input()] = Field(
        default="needed",
        exclude_if=lambda given: given == "needed",
        title="Profile",
        description="Cells of the profile to measure: those that the search needs, until decided, or all of them.",
    )
    groups: Annotated[tuple[Text, ...], SPEC_ONLY] = Field(
        default=("*",), title="Channel groups", description="Name patterns (*, ?) of the groups that may be pruned."
    )
    excluded_groups: Annotated[tuple[Text, ...], Input(option="--exclude")] = Field(
        default=(),
        title="Excluded channel groups",
        description="Name patterns (*, ?) of channel groups that are not pruned.",
        examples=[["embedding", "block.*.attn.*"]],
    )
    max_rates: Annotated[dict[Text, Fraction], Input(option="--max-rate", unit=Unit.PERCENT)] = Field(
        default_factory=dict,
        title="Largest pruning rates",
        description="Largest pruning rate of channel groups, by name or pattern (*, ?); 0 excludes them. If several"
        " patterns match a group, the strictest applies.",
        examples=[{"embedding": 0.25, "block.0.*": 0.5}],
    )
    channel_multiple: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=1,
        title="Multiple of channels",
        description="Pruned channel groups keep a multiple of so many channels; a group that has no smaller multiple is"
        " left whole.",
    )
    splits: SplitSizes = SplitSizes()
    preprocessing: PreprocessingOverrides = PreprocessingOverrides()
    value_range: Annotated[ValueRange | None, Input()] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Value range",
        description="Values of black and white in data sets that are arrays, which are mapped to 0-1; needed where they"
        " are neither bytes (0-255) nor floats from 0 to 1.",
        examples=[(-1.0, 1.0)],
    )
    fine_tuning: FineTuning = FineTuning()
    weights: Annotated[StoredPrecision | None, Input(nothing="As the original's")] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Stored weights",
        description="Precision of the layers' weights in the pruned model's file, with which it is confirmed, too; as"
        " the original's if not given. int8 has a scale for every output channel.",
    )
    assumptions: Annotated[
        dict[Text, AssumptionValue],
        Input(option="--assume", entries=KnownAssumptions),
    ] = Field(
        default_factory=dict,
        title="Other assumptions",
        description="Config fields that the weights do not determine (time_steps, num_heads, image_size ...).",
        examples=[{"image_size": 64}],
    )
    class_order: Annotated[ClassOrder | None, Input(or_list=True)] = Field(
        default=None,
        exclude_if=lambda given: given is None,
        title="Order of classes",
        description="Which class has which number: natural numbers class folders as timm does, plain as torchvision's"
        " ImageFolder does, a list has all classes in order; as the model's public training code if not given.",
        examples=[["cat", "dog"]],
    )
    allow_fewer_classes: Annotated[StrictBool, Input()] = Field(
        default=False,
        exclude_if=lambda given: not given,
        title="Allow fewer classes",
        description="Accept data sets with fewer classes than the model: their classes are the model's first ones.",
    )
    container: Annotated[Annotated[str, Field(min_length=1, max_length=256, pattern=TEXT)] | None, Input()] = Field(
        default=None,
        title="Weights in the file",
        description="Which weights of a file that has several (state_dict_ema ...); as they were trained if not given.",
    )
    confidence: Annotated[float, Field(ge=0.5, lt=1.0), Input(unit=Unit.PERCENT)] = Field(
        default=0.95,
        title="Confidence",
        description="Confidence with which the accuracy floor must hold on held-out data.",
    )
    accept_unproven: Annotated[StrictBool, Input()] = Field(
        default=False,
        exclude_if=lambda given: not given,
        title="Accept an unproven result",
        description="Deliver the best model even if the confirmation images cannot prove its accuracy drop.",
    )
    baselines: Annotated[StrictBool, Input(on_form=False)] = Field(
        default=True,
        exclude_if=lambda given: given,
        title="Baselines",
        description="Measure, on the search images, what one rate for all groups and channels by chance lose at the"
        " delivered memory.",
    )
    batch_size: AtOnce = Field(default=50, title="Batch size", description="Images that are evaluated at once.")
    device: Annotated[str, Input(on_form=False)] = Field(
        default="auto", pattern=DEVICES, title="Device", description="auto, cpu, cuda or cuda:N."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(default=0, title="Seed", description="Seed of the splits.")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, document: object) -> object:
        if not isinstance(document, Mapping):
            return document
        if isinstance(splits := document.get("splits"), SplitSizes):
            document = {**document, "splits": splits.model_dump(exclude_unset=True)}
        return resolved(document)

    @property
    def class_reading(self) -> ClassReading:
        """The fields that say which class has which number."""
        return ClassReading(class_order=self.class_order, allow_fewer_classes=self.allow_fewer_classes)

    @property
    def pixel_reading(self) -> PixelReading:
        """The fields that say what the values of pixels mean."""
        return PixelReading(preprocessing=self.preprocessing, value_range=self.value_range)

    @field_validator("assumptions")
    @classmethod
    def _within_ceilings(cls, assumptions: dict[str, AssumptionValue]) -> dict[str, AssumptionValue]:
        for name, most in CEILINGS.items():
            value = assumptions.get(name)
            if isinstance(value, int | float) and value > most:
                raise ValueError(f"{name} is at most {most}, not {value:g}")
        return assumptions

    @field_validator("fine_tuning")
    @classmethod
    def _recovers_what_is_known(cls, given: FineTuning, info: ValidationInfo) -> FineTuning:
        budget = info.data.get("budget")
        if given.recover_to is not None and isinstance(budget, Budget) and budget.by_disagreement:
            raise ValueError("recover_to is an accuracy, which a budget of max_disagreement does not look at")
        return given

    @field_validator("rates")
    @classmethod
    def _sorted_rates(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if not rates:
            raise ValueError("at least one rate is needed")
        return tuple(sorted(set(rates)))


class PixelReading(Frozen):
    """The fields of a spec that say how a data set becomes what a model takes, where nothing is compressed."""

    preprocessing: PreprocessingOverrides = PreprocessingOverrides()
    value_range: ValueRange | None = None


class ClassReading(Frozen):
    """The fields of a spec that say which class has which number, where nothing is compressed."""

    class_order: ClassOrder | None = None
    allow_fewer_classes: bool = False


Spec = TypeVar("Spec", bound=BaseModel)


def parse_as(kind: type[Spec], document: Mapping[str, JsonValue]) -> Spec:
    """Validate a spec as ``kind``: this declaration, one that knows more, or a part of it.

    Raises:
        SpecError: naming every field that is wrong.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'spec'}: {_said(e)}" for e in error.errors()]
        raise SpecError("the constraint spec is wrong: " + "; ".join(problems), facts={"problems": problems}) from None


def _said(problem: ErrorDetails) -> str:
    """What is wrong with a field; of one that is a fraction, how a percentage is written."""
    told, given, bounds = without_type(problem["msg"]), problem["input"], problem.get("ctx", {})
    is_fraction = bounds.get("lt", bounds.get("le")) == 1
    if is_fraction and isinstance(given, int | float) and 1 <= given <= MOST_PERCENT:
        return f"{told}, a fraction: {given / MOST_PERCENT:g} is {given:g} %"
    return told


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
