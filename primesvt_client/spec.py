"""The constraint spec: what a user asks for, as one YAML or JSON document.

The command line (``--spec``), the API (a job's body) and the report share this model. Options of the command line and
inputs of the form are derived from its fields (`primesvt_client.inputs`): each has its label (title), its help
(description), bounds, default and unit here and nowhere else. Nothing here needs torch, so that the API validates a
spec for real.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from primesvt_client.errors import SpecError, without_type
from primesvt_client.inputs import LARGEST as LARGEST
from primesvt_client.inputs import SPEC_ONLY, Input, Unit
from primesvt_client.presets import DEFAULT_PRESET, Preset, default_of, described, resolved

TEXT = r"^[^\x00]*$"
"""Any text but U+0000, which PostgreSQL does not store; nor halves of surrogate pairs, which are no text."""

Text = Annotated[str, Field(pattern=TEXT)]
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
MOST_EPOCHS, MOST_SECONDS, MOST_RATES, MOST_AT_ONCE = 1000, 7 * 24 * 3600, 100, 1024
"""Ceilings of what one job may ask for: epochs and seconds of fine-tuning, rates of every profile, images at once."""

USUAL_SECONDS = 300.0
"""Of fine-tuning, where only the accuracy that it recovers to is given."""

LARGEST_SIDE = 1024
"""Pixels of an image that a model takes; the largest public SViT takes 384."""

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
AtOnce = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]
Deviation = Annotated[float, Field(gt=0.0, le=LARGEST)]
AssumptionValue = bool | Whole | Real | Text
ParameterValue = AssumptionValue | tuple[AssumptionValue, ...]


def _two_numbers(typed: object) -> object:
    """``LOW:HIGH``, as people type it, as its two numbers."""
    return typed.split(":") if isinstance(typed, str) else typed


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] < bounds[1]:
        raise ValueError(f"{bounds[0]:g}:{bounds[1]:g} is no range: LOW must be below HIGH")
    return bounds


ValueRange = Annotated[tuple[Real, Real], BeforeValidator(_two_numbers), AfterValidator(_ascending)]
"""The values that mean black and white; in documents two numbers, or a text ``LOW:HIGH``."""

Rule = Literal["natural", "plain"]
MOST_CLASSES = 100_000


def _each_once(order: Rule | tuple[str, ...]) -> Rule | tuple[str, ...]:
    if isinstance(order, tuple):
        counts = Counter(unicodedata.normalize("NFC", name) for name in order)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"{', '.join(twice[:5])} is listed more than once")
    return order


def _rule_or_list(order: object) -> object:
    if isinstance(order, str) and order not in get_args(Rule):
        raise ValueError(f"{order[:100]!r} is neither natural, plain nor a list of all classes")
    return order


StoredPrecision = Literal["float32", "float16", "int8"]
"""Of the weights of layers in a delivered file; the library declares what each is."""

ClassOrder = Annotated[
    Rule | Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_CLASSES)],
    BeforeValidator(_rule_or_list),
    AfterValidator(_each_once),
]
"""How class folders are numbered: by a rule, or all classes in the order of their numbers."""

CEILINGS: Mapping[str, int] = {"time_steps": 1024, "num_heads": 1024, "image_size": LARGEST_SIDE}
"""Of the assumptions that set how much is computed for one image."""

DEVICES = r"^(auto|cpu|cuda(:(0|[1-9][0-9]?))?)$"  # torch reads no other digits, and 128 as -128

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


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(_Frozen):
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


class SplitSizes(_Frozen):
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


class PreprocessingOverrides(_Frozen):
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


class FineTuning(_Frozen):
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


class KnownAssumptions(_Frozen):
    """The assumptions that have options and inputs of their own; not a part of a spec's document as such."""

    time_steps: Count | None = Field(
        default=None, title="Time steps (T)", description="Time steps T, if the checkpoint does not contain them."
    )
    num_heads: Annotated[Count | None, Input(option="--heads")] = Field(
        default=None, title="Attention heads", description="Attention heads, if the checkpoint does not contain them."
    )


class CompressionSpec(_Frozen):
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


class PixelReading(_Frozen):
    """The fields of a spec that say how a data set becomes what a model takes, where nothing is compressed."""

    preprocessing: PreprocessingOverrides = PreprocessingOverrides()
    value_range: ValueRange | None = None


class ClassReading(_Frozen):
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
