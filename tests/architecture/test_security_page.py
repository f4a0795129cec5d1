"""What docs/security.md promises names code and tests that there are, and leaves out no requirement."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
OF_LEVEL_2 = {1: 38, 2: 53, 3: 18, 4: 9, 5: 30, 6: 13, 7: 12, 8: 15, 9: 7, 10: 5, 11: 8, 12: 15, 13: 13, 14: 23}
"""How many requirements of each chapter ASVS 4.0.3 has for level 2."""

SOMEBODY_ELSES = {"not met (operator)", "not met (provider)"}


def test_every_requirement_is_answered_once() -> None:
    ids = [requirement for requirement, _, _ in ROWS]
    assert len(ids) == len({*ids})
    assert Counter(int(one.partition(".")[0]) for one in ids) == OF_LEVEL_2


def test_no_requirement_that_is_ours_is_not_met() -> None:
    assert {state for _, state, _ in ROWS} <= {"met", "n/a"} | SOMEBODY_ELSES
    assert all(reason.strip() for _, _, reason in ROWS)


def test_what_the_page_names_exists() -> None:
    named = {path for path in re.findall(r"`([\w./-]+)`", PAGE) if "/" in path and not path.startswith("/")}
    assert len(named) > 80
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    code = "\n".join(
        path.read_text() for room in ("app", "worker", "primesvt_client") for path in (ROOT / room).rglob("*.py")
    )
    functions = set(re.findall(r"`(_?[a-z]+(?:_[a-z]+)+)`", PAGE))
    assert [name for name in sorted(functions) if not re.search(rf"\b{name}\b", code)] == []
