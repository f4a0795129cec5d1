"""A result in one sentence: what was saved, what is lost of the accuracy, and what is promised."""

from __future__ import annotations

from app.web import labels
from primesvt_client.facts import ResultSummary
from primesvt_client.shares import rate_text
from primesvt_client.sizes import sizes_text
from primesvt_core.report.schema import Report


def of_report(report: Report) -> str:
    """What a report comes to."""
    if report.is_original:
        return "The original model is delivered: no channel was removed."
    saved = _saved(report.memory_saving, report.baseline.parameter_bytes, report.pruned.parameter_bytes)
    lost = _disagrees(report) if report.by_disagreement else _loses(report)
    return f"{saved}{lost}{_promised(report)}."


def of_summary(summary: ResultSummary) -> str:
    """The same of a job whose report cannot be read, or which had no data; empty where nothing is known."""
    before, after = summary.parameter_bytes_before, summary.parameter_bytes_after
    if summary.memory_saving is None or before is None or after is None:
        return ""
    if before == after:
        return "The original model is delivered: no channel was removed."
    saved = _saved(summary.memory_saving, before, after)
    if summary.accuracy_drop is not None:
        return f"{saved} and {_change(summary.accuracy_drop)}."
    if summary.disagreement is not None:
        return (
            f"{saved} and predicts another class than the original on {labels.percent(summary.disagreement)} of images."
        )
    return f"{saved}; what that does to its accuracy was not measured."


def _saved(saving: float, before: float, after: float) -> str:
    return f"The model needs {labels.percent(saving, 1)} less parameter memory ({sizes_text(before, after)})"


def _change(drop: float) -> str:
    """A change of accuracy as a verb says it."""
    text = labels.points(abs(drop))
    if float(f"{100 * drop:.2f}") == 0:
        return "keeps its accuracy to a hundredth of a point"
    return f"loses {text} of accuracy" if drop > 0 else f"gains {text} of accuracy"


def _loses(report: Report) -> str:
    before, after, images = report.baseline.accuracy, report.pruned.accuracy, report.confirmation.samples
    if report.accuracy_drop is None or before is None or after is None:
        return "; what that does to its accuracy was not measured"
    accuracies = f"{labels.percent(before)} to {labels.percent(after)}"
    unseen = f"on {labels.count(images)} images that the search did not use"
    return f" and {_change(report.accuracy_drop)} ({accuracies} {unseen})"


def _disagrees(report: Report) -> str:
    images = labels.count(report.confirmation.samples)
    share = labels.percent(report.disagreement)
    return f" and predicts another class than the original on {share} of {images} images that the search did not use"


def _promised(report: Report) -> str:
    """What the bound says, and what was allowed."""
    held, allowed = report.confirmation, report.confirmation.allowed_loss
    shown = labels.percent if report.by_disagreement else labels.points
    bound = held.disagreement_upper_bound if report.by_disagreement else held.drop_upper_bound
    if bound is None:
        return ""
    what = "on any images it does so on at most" if report.by_disagreement else "the true loss is at most"
    limit = "" if allowed is None else f", where {shown(allowed)} {'is' if report.by_disagreement else 'were'} allowed"
    return f"; with {rate_text(held.confidence)} confidence {what} {shown(max(bound, 0.0))}{limit}"
