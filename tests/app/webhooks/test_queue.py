"""When a delivery is tried again."""

from __future__ import annotations

import re
from pathlib import Path

from app.webhooks.queue import WAITS


def test_the_documented_waits_are_those_of_the_code() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "webhooks.md").read_text()
    documented = re.search(r"tried again after (.*?),\s+each", text, re.DOTALL)
    assert documented is not None
    units = {"s": 1, "min": 60, "h": 3600}
    assert tuple(int(n) * units[u] for n, u in re.findall(r"(\d+) (s|min|h)\b", documented.group(1))) == WAITS
