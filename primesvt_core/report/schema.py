"""The report: everything the user needs to believe the result, as one versioned document (``report.json``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from primesvt_client.facts import ResultSummary
from primesvt_client.presets import Preset, kept
from primesvt_client.spec import CompressionSpec  # a report is read where its plug-ins may be gone
from primesvt_client.verdicts import TOO_MANY_OPERATIONS, meaning
from primesvt_core.report.compared import AgreementFigures as AgreementFigures
from primesvt_core.report.compared import BaselineFigures as BaselineFigures
from primesvt_core.report.compared import CurveFigures as CurveFigures
from primesvt_core.report.compared import ProfileFigures as ProfileFigures
from primesvt_core.report.confirmed import ClassFigures as ClassFigures
from primesvt_core.report.confirmed import Confirmation as Confirmation
from primesvt_core.report.confirmed import DifferingImage as DifferingImage
from primesvt_core.report.confirmed import FamilyFigures as FamilyFigures
from primesvt_core.report.confirmed import LimitFigures as LimitFigures
from primesvt_core.report.confirmed import TimeStepFigures as TimeStepFigures
from primesvt_core.report.rows import Rows
from primesvt_core.types import FLOAT_SLACK, Verdict

Outcome = Literal["not tested", "confirmed", "not proven", "not confirmed"]
"""Of the test of a candidate: *not proven* if its measured drop is allowed and its bound is not."""


SOURCES = {
    "caller": "you",
    "checkpoint": "the checkpoint",
    "tensors": "the weights",
    "default": "the family's default",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InferenceMemory(_Frozen):
    """Peak memory of computing one image, parameters included; neurons' membranes beside what layers give."""

    layerwise: int = Field(
        description="All time steps of a layer, then those of the next, as torch and an ONNX file compute: the largest"
        " sum of tensors alive at once, and the membranes of the layer that fires with what updates them."
    )
    stepwise: int = Field(
        description="One time step through the network, then the next, as a microcontroller computes: the largest sum"
        " of activations alive in one step, and all membranes."
    )

    @property
    def better(self) -> Literal["layerwise", "stepwise"]:
        """The schedule that needs less, which a limit binds."""
        return "layerwise" if self.layerwise <= self.stepwise else "stepwise"


def as_declared(spec: object) -> object:
    """A spec as one that knows no plug-ins, which is what a report is read as; an old one with its preset."""
    document = spec.model_dump() if isinstance(spec, CompressionSpec) else spec
    return kept(document) if isinstance(document, dict) else document


class ModelFigures(_Frozen):
    """One model, measured on the confirmation split."""

    accuracy: float | None = Field(description="Null where the images have no labels, as is the next.")
    correct: int | None
    samples: int
    parameters: int = Field(description="Trained parameters that the forward pass uses.")
    parameter_bytes: int = Field(description="Bytes of parameters and BatchNorm buffers that the forward pass uses.")
    macs: int | None = Field(
        default=None,
        description="Dense multiply-accumulates of one image over all time steps, zeros counted; new in 2.",
    )
    inference_memory_bytes: InferenceMemory | None = Field(
        default=None, description="Peak memory of computing one image, in bytes, by schedule; null in older reports."
    )
    synaptic_operations: float | None = Field(
        default=None,
        description="Accumulates that spikes cause in layers with weights, for one image over all time steps: over"
        " their inputs the level times the outputs that it reaches. The mean over some search images; null in older"
        " reports, as are the next three.",
    )
    multiply_accumulates: float | None = Field(
        default=None, description="Of layers with weights whose input is no spikes, zeros counted; likewise."
    )
    attention_operations: float | None = Field(
        default=None, description="Products of values with each other, as in attention, zeros counted; likewise."
    )
    energy_joules: float | None = Field(
        default=None, description="Of these operations, for one image, by the report's `energy`."
    )
    file_bytes: int = Field(description="Size of the model's safetensors file, unused tensors and metadata included.")
    peak_activation_bytes: int = Field(description="Largest input plus output of one layer, batch of one image.")
    spikes_per_image: float
    firing_rates: dict[str, float] = Field(description="Mean spikes per neuron and time step, by neuron layer.")


class EnergyFigures(_Frozen):
    """What energies are computed from: those of the arithmetic alone, as the field quotes them."""

    joules_per_mac: float = Field(description="Of a multiply-accumulate.")
    joules_per_ac: float = Field(description="Of a synaptic operation, and of a product of attention.")
    source: str
    images: int = Field(description="Of the search split, over which operations are averaged.")


class LayerFigures(_Frozen):
    """One layer before and after; largest first."""

    name: str
    group: str | None
    shape_before: tuple[int, ...]
    shape_after: tuple[int, ...]
    parameters_before: int
    parameters_after: int
    parameter_bytes_before: int
    parameter_bytes_after: int
    rate: float = Field(description="Rate of the group that produces the layer's output channels.")


class GroupFigures(_Frozen):
    """One channel group before and after; in the policy's order."""

    name: str
    scope: Literal["local", "global"]
    size_before: int
    size_after: int
    rate: float
    parameter_bytes: int
    targeted: bool = Field(description="Whether the profile found a rate that stays within the drop.")


class DataFigures(_Frozen):
    """The data set and its splits."""

    name: str
    fingerprint: str
    samples: int
    is_labelled: bool = Field(default=True, description="Whether the images have labels.")
    classes: tuple[str, ...]
    calibration_images: int
    search_images: int
    confirmation_images: int
    preprocessing: dict[str, JsonValue]


class AssumptionFigures(_Frozen):
    """A config field that weights do not determine, with where its value came from."""

    field: str
    value: bool | int | float | str
    source: str

    @property
    def told_by(self) -> str:
        """Where the value came from, in words."""
        return SOURCES.get(self.source, self.source)


class ComparedFigures(_Frozen):
    """A candidate beside the original, on the images of the search split by which candidates are compared."""

    divergence: float = Field(description="Mean KL of the original's predictions against its, in nats.")
    accuracy: float | None = Field(description="Null where a disagreement is promised, as is the next.")
    accuracy_drop: float | None
    disagreement: float | None = Field(default=None, description="With the original, where that is promised.")
    samples: int


class RecoveryFigures(_Frozen):
    """What the delivered model has learned by time."""

    steps: int = Field(description="Batches it learned from.")
    planned_steps: int = Field(description="Batches that there was time for, by the speed measured at the beginning.")
    seconds: float = Field(description="That its steps take, by that speed.")
    labels: bool = Field(description="Whether labels were looked at; otherwise the original alone taught.")
    before: ComparedFigures = Field(description="Repaired.")
    after: ComparedFigures
    kept: bool = Field(
        description="Whether it came nearer to the original; otherwise it is delivered as it was before."
    )
    recover_to: float | None = Field(default=None, description="Accuracy that was asked for.")
    recovered: bool | None = Field(
        default=None, description="Whether the delivered model reaches it on the confirmation split."
    )
    proven: bool | None = Field(
        default=None,
        description="Whether a bound of its accuracy drop says so, with the confidence of the spec for all candidates"
        " that were tested together.",
    )


class FineTuningFigures(_Frozen):
    """What fine-tuning did to the delivered model."""

    epochs: int = Field(description="Begun ones.")
    images: int = Field(description="Images it learned from.")
    losses: tuple[float, ...] = Field(description="Mean loss of every epoch; by time, of every sixth of the steps.")
    recovery: RecoveryFigures | None = Field(default=None, description="Of fine-tuning by time.")


class Report(_Frozen):
    """One compression, from budget and settings to the pruned model."""

    schema_version: Literal[1, 2] = Field(
        default=2, description="Fields that are new in 2 are null in a document of version 1."
    )
    primesvt_version: str
    verdict: Verdict
    preset: Preset | None = Field(default=None, description="Of the spec; new in 2.")
    family: str
    variant: str
    baseline: ModelFigures
    pruned: ModelFigures
    accuracy_drop: float | None = Field(
        description="On the confirmation split; negative if the pruned model is better; null without labels."
    )
    disagreement: float | None = Field(
        default=None,
        description="Share of the confirmation split on which the delivered model predicts another class than the"
        " original; null unless that is promised.",
    )
    memory_saving: float
    stored_bytes: int | None = Field(
        default=None,
        description="Bytes that the delivered file has for the parameters and BatchNorm buffers that the forward pass"
        " uses, at the precision of the stored weights and with their scales.",
    )
    stored_saving: float | None = Field(
        default=None, description="Of these bytes, against the original's parameter memory."
    )
    confirmation: Confirmation
    search_accuracy_drop: float | None = Field(
        description="The delivered candidate's drop on the search split; null where a disagreement is promised."
    )
    search_disagreement: float | None = Field(default=None, description="Its disagreement there, where that is so.")
    spec: CompressionSpec
    assumptions: tuple[AssumptionFigures, ...]
    data: DataFigures
    layers: Rows[LayerFigures]
    groups: Rows[GroupFigures]
    profile: Rows[ProfileFigures]
    curve: Rows[CurveFigures]
    fine_tuning: FineTuningFigures | None = None
    notes: tuple[str, ...] = ()
    evaluations: int = Field(description="Candidates evaluated on the search split, wholly or until they were decided.")
    compared_images: int | None = Field(
        default=None,
        description="Images of the search split that candidates were compared on; all if not given.",
    )
    agreement: AgreementFigures | None = None
    baselines: tuple[BaselineFigures, ...] = Field(
        default=(),
        description="Of a search that removed something, the delivered candidate beside others of its memory; none in"
        " older reports, nor where the spec has no `baselines`.",
    )
    energy: EnergyFigures | None = Field(default=None, description="Assumptions; null in older reports.")
    family_of_budgets: FamilyFigures | None = Field(
        default=None, description="Of another budget for a finished run; new in 2."
    )
    metric: str | None = Field(
        default=None,
        description="Name of the caller's own rule of what counts as right, from Python: accuracies are the share of"
        " images of which it says so; null where the highest logit counts.",
    )
    given_rates: dict[str, float] | None = Field(
        default=None,
        description="By channel group, of a plan that was given: nothing was profiled or searched, and policy and rates"
        " of the spec were not asked; new in 2.",
    )
    config: dict[str, JsonValue] = Field(description="The pruned model's config.")
    plan: dict[str, tuple[int, ...]] = Field(description="For every pruned group, the channels kept.")
    classes: tuple[ClassFigures, ...] = Field(
        default=(), description="Classes that have images in the confirmation split, by number."
    )
    differing_images: tuple[DifferingImage, ...] = Field(
        default=(),
        description="Where a disagreement is promised: what would have to be labelled to know the accuracy drop.",
    )
    time_steps: tuple[TimeStepFigures, ...] = Field(
        default=(),
        description="For every number of time steps, from one pass over the images; none where a note says why.",
    )
    limits: tuple[LimitFigures, ...] = Field(
        default=(), description="Every limit of the budget, and whether the delivered model keeps it; new in 2."
    )
    checkpoint_sha256: str
    model_sha256: str
    environment: dict[str, str]
    timings: dict[str, float] = Field(
        description="Seconds per step, and latencies of one image: medians and, with _low and _high, quartiles of runs"
        " in turn; the one part that differs between runs."
    )

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """What decides; all of it is in ``model_dump()``, and in the files."""
        told = ("verdict", "family", "variant", "memory_saving", "accuracy_drop", "disagreement", "notes")
        return ((name, getattr(self, name)) for name in told)

    @field_validator("spec", mode="before")
    @classmethod
    def _as_declared(cls, spec: object) -> object:
        return as_declared(spec)

    def worst_classes(self, most: int = 5) -> tuple[ClassFigures, ...]:
        """Classes of whose images the delivered model gets fewer right, those that lose the largest share first."""
        losing = [each for each in self.classes if each.right_after < each.right_before]
        return tuple(sorted(losing, key=lambda each: (-each.accuracy_drop, -each.images))[:most])

    @property
    def is_original(self) -> bool:
        """Whether the delivered model is the original."""
        return self.pruned.parameter_bytes == self.baseline.parameter_bytes

    @property
    def by_disagreement(self) -> bool:
        """Whether the disagreement with the original is what is promised."""
        return self.disagreement is not None

    @property
    def latency_words(self) -> str | None:
        """What the latencies of one image tell, in words; None of a report from before their spread was measured."""
        before, after = (self._quartiles(name) for name in ("latency_before", "latency_after"))
        if before is None or after is None:
            return None
        if before[0] <= after[1] and after[0] <= before[1]:
            return "the difference is within the spread of the runs"
        return (
            "shorter by more than the spread of the runs"
            if after[1] < before[0]
            else ("longer by more than the spread of the runs")
        )

    def _quartiles(self, name: str) -> tuple[float, float] | None:
        low, high = self.timings.get(f"{name}_low"), self.timings.get(f"{name}_high")
        return None if low is None or high is None else (low, high)

    @property
    def exceeds_operations(self) -> bool:
        """Whether the delivered model was measured to need more synaptic operations than the budget allows."""
        most, found = self.spec.budget.max_synaptic_operations, self.pruned.synaptic_operations
        return most is not None and found is not None and found > most

    @property
    def meaning(self) -> str:
        """What the verdict means for the delivered model, in words."""
        if self.exceeds_operations and self.verdict is Verdict.ACCURACY_FLOOR_REACHED and not self.is_original:
            return TOO_MANY_OPERATIONS
        return meaning(
            self.verdict,
            is_original=self.is_original,
            is_proven=self.confirmation.held,
            has_floor=self.confirmation.allowed_loss is not None,
            by_disagreement=self.by_disagreement,
        )

    def outcome(self, point: CurveFigures) -> Outcome:
        """How the test of a point of the curve ended."""
        if point.confirmed is None or point.confirmed_loss is None:
            return "not tested"
        if point.confirmed:
            return "confirmed"
        allowed = self.confirmation.allowed_loss
        is_allowed = allowed is None or point.confirmed_loss <= allowed + FLOAT_SLACK
        return "not proven" if is_allowed else "not confirmed"

    def summary(self) -> ResultSummary:
        """The figures that lists of compressions show."""
        return ResultSummary(
            baseline_accuracy=self.baseline.accuracy,
            pruned_accuracy=self.pruned.accuracy,
            accuracy_drop=self.accuracy_drop,
            drop_upper_bound=self.confirmation.drop_upper_bound,
            disagreement=self.disagreement,
            memory_saving=self.memory_saving,
            parameter_bytes_before=self.baseline.parameter_bytes,
            parameter_bytes_after=self.pruned.parameter_bytes,
            macs_before=self.baseline.macs,
            macs_after=self.pruned.macs,
        )


def json_schema() -> str:
    """The published JSON Schema of ``report.json``."""
    return json.dumps(Report.model_json_schema(mode="serialization"), indent=2, sort_keys=True) + "\n"
