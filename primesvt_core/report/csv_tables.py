"""Tables as CSV that spreadsheets take for nothing but text and numbers (CWE-1236)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # the wide ones are meant
"""A cell that begins with one may be run when the file is opened, and send the sheet's content away."""


def csv_line(cells: Iterable[object]) -> str:
    """One row. Texts are quoted, so that no other separator splits them, and marked where they would be formulas."""
    line = StringIO()
    csv.writer(line, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerow([_inert(cell) for cell in cells])
    return line.getvalue()


def _inert(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA_STARTS):
        return "'" + cell
    return cell
