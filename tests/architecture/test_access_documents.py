"""What is written down about access is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

from app.teams.scopes import Role, Scope
from tests.support.matrix import MATRIX

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "access.md").read_text()


def test_the_table_of_scopes_and_roles_is_true() -> None:
    rows = re.findall(r"^\| `(\w+:\w+)` \| [^|]+ \| (yes)? ?\| (yes)? ?\| (yes)? ?\|$", TEXT, re.MULTILINE)
    assert [row[0] for row in rows] == [scope.value for scope in Scope]
    for name, *marks in rows:
        assert [bool(mark) for mark in marks] == [Scope(name) in role.scopes for role in Role], name


def test_every_action_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"`([a-z]+\.[a-z]+)`", TEXT[TEXT.index("| action |") : TEXT.index("## Quotas")]))
    noted = set()
    for path in (ROOT / "app").rglob("*.py"):
        noted |= set(re.findall(r'audit\.record\(\s*\w+, [\w.]+, "([a-z]+\.[a-z]+)"', path.read_text()))
    assert documented == noted
    assert {entry.action for entry in MATRIX.values() if entry.action} <= documented
