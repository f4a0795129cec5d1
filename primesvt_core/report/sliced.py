"""The report of a model that was pruned by a given plan without data: what is known from shapes, and null elsewhere.

Its fields have the names of those of `report.schema.Report`. What no data set measured is null, so that nobody takes it
for a figure; the verdict is always ``not_measured``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from primesvt_client.facts import ResultSummary
from primesvt_client.spec import CompressionSpec  # a report is read where its plug-ins may be gone
from primesvt_client.verdicts import VERDICTS
from primesvt_core.report.publishing import layers_csv
from primesvt_core.report.rows import Rows
from primesvt_core.report.schema import AssumptionFigures, LayerFigures, as_declared
from primesvt_core.types import Verdict
from primesvt_core.workspace.atomic import write_atomically


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SlicedFigures(_Frozen):
    """One model, by its shapes alone."""

    accuracy: None = None
    parameters: int = Field(description="Trained parameters that the forward pass uses.")
    parameter_bytes: int = Field(description="Bytes of parameters and BatchNorm buffers that the forward pass uses.")
    macs: int = Field(description="Dense multiply-accumulates of one image over all time steps, zeros counted.")
    file_bytes: int | None = Field(description="Size of the model's safetensors file; null of the original.")


class SlicedGroup(_Frozen):
    """One channel group before and after."""

    name: str
    scope: Literal["local", "global"]
    size_before: int
    size_after: int
    rate: float
    parameter_bytes: int


class SlicedReport(_Frozen):
    """A model that was pruned by a given plan, and not measured."""

    schema_version: Literal[2] = 2
    primesvt_version: str
    verdict: Literal[Verdict.NOT_MEASURED] = Verdict.NOT_MEASURED
    family: str
    variant: str
    baseline: SlicedFigures
    pruned: SlicedFigures
    accuracy_drop: None = Field(default=None, description="Not known without data.")
    memory_saving: float
    confirmation: None = Field(default=None, description="Nothing was confirmed.")
    data: None = None
    spec: CompressionSpec
    assumptions: tuple[AssumptionFigures, ...]
    layers: Rows[LayerFigures]
    groups: Rows[SlicedGroup]
    given_rates: dict[str, float] = Field(description="By channel group, of the plan that was given.")
    notes: tuple[str, ...] = ()
    config: dict[str, JsonValue] = Field(description="The pruned model's config.")
    plan: dict[str, tuple[int, ...]] = Field(description="For every pruned group, the channels kept.")
    checkpoint_sha256: str
    model_sha256: str
    environment: dict[str, str]
    timings: dict[str, float] = Field(description="Seconds per step; the one part that differs between runs.")

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """What decides; all of it is in ``model_dump()``, and in the files."""
        return ((name, getattr(self, name)) for name in ("verdict", "family", "variant", "memory_saving", "notes"))

    @field_validator("spec", mode="before")
    @classmethod
    def _as_declared(cls, spec: object) -> object:
        return as_declared(spec)

    def summary(self) -> ResultSummary:
        """The figures that lists show: sizes alone."""
        return ResultSummary(
            memory_saving=self.memory_saving,
            parameter_bytes_before=self.baseline.parameter_bytes,
            parameter_bytes_after=self.pruned.parameter_bytes,
            macs_before=self.baseline.macs,
            macs_after=self.pruned.macs,
        )

    @property
    def meaning(self) -> str:
        """What the verdict means, in words."""
        return VERDICTS[self.verdict].meaning


def json_schema() -> str:
    """The published JSON Schema of such a ``report.json``."""
    return json.dumps(SlicedReport.model_json_schema(mode="serialization"), indent=2, sort_keys=True) + "\n"


def write_sliced_report(report: SlicedReport, out: Path) -> tuple[Path, ...]:
    """Write ``report.json`` and ``layers.csv`` below ``out``; each is there whole or not at all."""
    contents = {
        "report.json": report.model_dump_json(indent=2).encode() + b"\n",
        "layers.csv": layers_csv(report).encode(),
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    return tuple(out / name for name in contents)
