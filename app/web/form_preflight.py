"""The preflight beside the form of a new job: what is known of the job, and what the form can do about problems."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.errors import DomainError
from app.services import Services
from app.web import forms
from app.web.form_fields import FIELDS, FormField
from app.web.form_job import job_of
from app.web.form_values import MEBIBYTE, parsed, typed_text
from app.web.labels import NOTHING
from primesvt_client.inputs import Kind, Unit
from primesvt_client.rounding import rounded_down, rounded_up
from primesvt_core.errors import PrimeSVTError
from primesvt_core.preflight import Preflight, Problem

CHOOSE = "Choose a checkpoint and evaluation data to see what they allow."
INVALID = "Some fields are invalid."
READY = "No problem is known."
NOT_YET = "No problem is known yet."
TAKE = "take"
"""Name of the buttons that take a value into the form: ``INPUT=VALUE``."""

FINEST_MEBIBYTES = 1e-4
SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Nearest:
    """The nearest possible value of an input, as people type it, and what the button that takes it says."""

    name: str
    typed: str
    label: str

    @property
    def value(self) -> str:
        """What the button sends."""
        return f"{self.name}={self.typed}"


@dataclass(frozen=True)
class ShownProblem:
    """Why the job would be refused, and the value that would help, where there is one."""

    code: str
    detail: str
    nearest: Nearest | None = None


@dataclass(frozen=True)
class Preview:
    """What is shown beside the form.

    Attributes:
        status: in a sentence.
        found: what is known; None as long as there is nothing to look at.
        problems: what would be refused.
        by_disagreement: whether the budget limits the disagreement, which is then what images can prove.
    """

    status: str
    found: Preflight | None = None
    problems: tuple[ShownProblem, ...] = ()
    by_disagreement: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether more will be known once an upload is validated."""
        return self.found is not None and (self.found.family is None or self.found.samples is None)

    @property
    def provable_drop(self) -> str:
        """The smallest drop that can be proven, rounded so that it still can be."""
        drop = self.found.provable_drop if self.found else None
        unit = Unit.PERCENT if self.by_disagreement else Unit.POINTS
        return NOTHING if drop is None else f"{100 * rounded_up(drop):g}{SPACE}{unit}"

    @property
    def largest_saving(self) -> str:
        """The largest saving that may be asked for, rounded so that it still may be."""
        saving = self.found.max_memory_saving if self.found else None
        return NOTHING if saving is None else f"{100 * rounded_down(saving):g}{SPACE}{Unit.PERCENT}"


def preview(services: Services, team: str, values: Mapping[str, str]) -> Preview:
    """What is known of the job that a form asks for."""
    if not (values.get("checkpoint_id") and values.get("dataset_id")):
        return Preview(CHOOSE)
    reading = forms.read(values)
    if reading.errors:
        return Preview(INVALID, problems=tuple(_invalid(reading)))
    try:
        found = services.preflight.of(team, job_of(values, reading.spec))
    except (DomainError, PrimeSVTError) as error:
        code = error.code if isinstance(error, DomainError) else error.error_code
        return Preview("The job would be refused.", problems=(ShownProblem(code, error.message),))
    budget = reading.spec.get("budget")
    by_disagreement = isinstance(budget, dict) and budget.get("max_disagreement") is not None
    return Preview(_status(found), found, tuple(map(_shown, found.problems)), by_disagreement)


def taken(values: Mapping[str, str]) -> dict[str, str]:
    """The input whose nearest possible value is taken."""
    name, equals, typed = values.get(TAKE, "").partition("=")
    return {name: typed} if equals else {}


def _invalid(reading: forms.Reading) -> Iterator[ShownProblem]:
    labels = {entry.name: entry.label for entry in FIELDS}
    for name, message in reading.errors.items():
        yield ShownProblem("invalid_spec", f"{labels[name]}: {message}" if name in labels else message)


def _status(found: Preflight) -> str:
    count = len(found.problems)
    if not count:
        return NOT_YET if found.family is None or found.samples is None else READY
    return f"{'A problem' if count == 1 else f'{count} problems'}: the job would be refused."


def _shown(problem: Problem) -> ShownProblem:
    field = next((entry for entry in FIELDS if entry.path == problem.field), None)
    if field is None or problem.nearest is None:
        return ShownProblem(problem.code, problem.detail)
    return ShownProblem(problem.code, problem.detail, _nearest(field, problem.nearest))


def _nearest(field: FormField, value: float) -> Nearest:
    """A value that is typed as the form shows numbers, and still possible as it is typed."""
    typed = _mebibytes(field, value) if field.source.how.unit is Unit.BYTES else typed_text(field.source, value)
    if field.source.kind is Kind.SWITCH:
        return Nearest(field.name, typed, field.label)
    return Nearest(field.name, typed, f"{field.label}: use {typed}{SPACE}{field.unit}".strip())


def _mebibytes(field: FormField, value: float) -> str:
    """Bytes that are a limit, rounded up."""
    steps = math.ceil(value / MEBIBYTE / FINEST_MEBIBYTES)
    texts = (f"{count * FINEST_MEBIBYTES:.10g}" for count in (steps, steps + 1))
    return next(text for text in texts if parsed(field.source, text) >= value)
