"""What is known of a job before it is queued, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from primesvt_client.console import out
from primesvt_client.durations import in_words
from primesvt_client.options import FIELDS
from primesvt_client.rounding import rounded_down, rounded_up
from primesvt_client.schemas.jobs import PreflightProblem, PreflightView
from primesvt_client.sizes import size_text

UNKNOWN = "not known"


def print_preflight(found: PreflightView) -> None:
    """Facts first, then what is not known, then what is in the way."""
    for title, text in _facts(found):
        out.print(f"{title:<24}{text}", markup=False, soft_wrap=True)
    for note in found.notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    for problem in found.problems:
        out.print(f"[bold red]problem[/] \\[{problem.code}] ", end="")
        out.print(problem.detail, markup=False, soft_wrap=True)
        if nearest := option_for(problem):
            out.print(f"  nearest possible: {nearest}", markup=False, soft_wrap=True)
    out.print(f"{'The job would be refused' if found.problems else 'Nothing is in the way'}; nothing was queued.")


def _facts(found: PreflightView) -> Iterator[tuple[str, str]]:
    yield "Model", _model(found)
    yield "Classes", _classes(found)
    yield "Images", UNKNOWN if found.samples is None else f"{found.samples:,}"
    for split in found.splits:
        images = UNKNOWN if split.images is None else f"{split.images:,}"
        yield f"  {split.split}", f"{images} (at most {split.asked:,})"
    drop, saving, seconds = found.provable_drop, found.max_memory_saving, found.estimated_seconds
    yield "Smallest provable drop", UNKNOWN if drop is None else f"{100 * rounded_up(drop):g} points"
    yield (
        "Largest memory saving",
        UNKNOWN if saving is None else f"{100 * rounded_down(saving):g} %, no forecast",
    )
    yield "Estimated run time", UNKNOWN if seconds is None else in_words(seconds)


def _model(found: PreflightView) -> str:
    if found.family is None:
        return UNKNOWN
    variant = f" ({found.variant})" if found.variant else ""
    size = "" if found.parameter_bytes is None else f", {size_text(found.parameter_bytes)} of parameter memory"
    return f"{found.title or found.family}{variant}{size}"


def _classes(found: PreflightView) -> str:
    model, data = (UNKNOWN if count is None else f"{count:,}" for count in (found.model_classes, found.data_classes))
    accepted = "they match" if found.model_classes == found.data_classes else "accepted"
    match = {True: f": {accepted}", False: ": they do not match", None: ""}[found.classes_match]
    return f"{model} of the model, {data} of the data set{match}"


def option_for(problem: PreflightProblem) -> str:
    """The nearest possible value as an option of the command line; empty where there is none."""
    field = FIELDS.get(problem.field or "")
    if field is None or problem.nearest is None:
        return ""
    return field.option if problem.nearest is True else f"{field.option} {problem.nearest:.10g}"
