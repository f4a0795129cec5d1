"""Figures of a summary that are columns of their own: lists are sorted by them, and results compared."""

from __future__ import annotations

from app.jobs.models import JobRow
from primesvt_client.facts import ResultSummary


def keep_figures(row: JobRow, summary: ResultSummary) -> None:
    """Write a summary's figures into a row, in the caller's transaction."""
    drop = summary.disagreement if summary.accuracy_drop is None else summary.accuracy_drop
    row.memory_saving, row.largest_drop = summary.memory_saving, drop
    row.parameter_bytes_after, row.pruned_accuracy = summary.parameter_bytes_after, summary.pruned_accuracy
