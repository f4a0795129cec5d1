"""docs/families.md names every family, with its paper and where its public code is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from primesvt_core import registry
from primesvt_core.families import FAMILIES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "families.md").read_text(encoding="utf-8")
OVERVIEW = PAGE.split("## ")[0]
ROWS = {
    row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", OVERVIEW, re.MULTILINE)
}


@pytest.mark.parametrize("key", registry.available("families"))
def test_it_has_a_row_and_says_what_is_different_or_missing(key: str) -> None:
    paper, code, variants = ROWS[key]
    family = FAMILIES.load(key)
    assert paper == family.paper
    repository = re.sub(r"^github\.com/| @ .*$", "", family.source)
    assert repository.split("/")[-1].split(".")[0] in code
    assert variants.strip()
    assert f"- `{key}`" in PAGE.split("## What is different, or missing")[1]


def test_it_names_no_other() -> None:
    assert ROWS.keys() == set(registry.available("families"))
