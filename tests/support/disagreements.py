"""A report of a run that promised a disagreement on images without labels."""

from __future__ import annotations

from primesvt_core import spec as specs
from primesvt_core.report.schema import Report
from tests.support.dashboard import sample_report


def disagreement_report() -> Report:
    """The run of `sample_report`, had it promised a disagreement on images without labels."""
    report = sample_report()
    curve = tuple(
        point.model_copy(
            update={
                "accuracy": None, "accuracy_drop": None, "disagreement": point.accuracy_drop, "confirmed_drop": None,
                "confirmed_disagreement": point.confirmed_drop, "drop_upper_bound": None,
                "disagreement_upper_bound": point.drop_upper_bound,
            }
        )
        for point in report.curve
    )  # fmt: skip
    profile = tuple(
        cell.model_copy(update={"accuracy": None, "accuracy_drop": None, "disagreement": cell.accuracy_drop})
        for cell in report.profile
    )
    held = report.confirmation.model_copy(
        update={
            "lost": None, "won": None, "accuracy_drop": None, "allowed_drop": None, "differing": 76,
            "disagreement": 0.019, "disagreement_upper_bound": 0.0246, "allowed_disagreement": 0.03,
        }
    )  # fmt: skip
    nothing = {"accuracy": None, "correct": None}
    budget = specs.Budget(max_disagreement=0.03, min_memory_saving=0.25)
    changes = {
        "curve": curve, "profile": profile, "confirmation": held, "accuracy_drop": None, "disagreement": 0.019,
        "search_accuracy_drop": None, "search_disagreement": 0.0199, "classes": (), "time_steps": (),
        "baseline": report.baseline.model_copy(update=nothing), "pruned": report.pruned.model_copy(update=nothing),
        "data": report.data.model_copy(update={"is_labelled": False, "classes": ()}),
        "spec": report.spec.model_copy(update={"budget": budget}),
    }  # fmt: skip
    return Report.model_validate_json(report.model_copy(update=changes).model_dump_json())
