"""README's table of results, which is that of ``docs/results.md``: written between two marks, so that both agree."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- results: written by docs/generate.py -->", "<!-- end of the results -->"
TABLE = re.compile(r"^\| model \| deep \|.*\n\|[-|: ]+\|\n(?:\|.*\n)+", re.MULTILINE)


class MissingResults(Exception):
    """README or ``docs/results.md`` is not as it must be; the message says where and what to do."""


def summary(results: str) -> str:
    """The table of ``docs/results.md`` that has a row a model and a column a way.

    Raises:
        MissingResults: there is not exactly one.
    """
    tables = TABLE.findall(results)
    if len(tables) != 1:
        raise MissingResults(f"docs/results.md has {len(tables)} tables that begin `| model | deep |`, not one")
    table: str = tables[0]
    return table


def published() -> str:
    """That table as it is published.

    Raises:
        MissingResults: it is not there.
    """
    return summary((ROOT / "docs" / "results.md").read_text(encoding="utf-8"))


def readme() -> str:
    """README with that table between its marks.

    Raises:
        MissingResults: a mark or the table is missing.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not (begins and ends):
        raise MissingResults(f"README.md lacks the marks `{BEGIN}` and `{END}`")
    return f"{before}{BEGIN}\n\n{published()}\n{END}{after}"
