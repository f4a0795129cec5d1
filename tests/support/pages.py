"""Files that a documentation page shows, as blocks that are labelled with their path."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def shown(page: str) -> dict[str, str]:
    """Every labelled block of a page by the path in its label."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", text, re.DOTALL))
