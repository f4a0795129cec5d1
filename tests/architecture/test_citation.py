"""CITATION.cff names this software and the paper, as the citation file format has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from primesvt_client.version import __version__
from tests.support.validators import by_builtin_schema

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "CITATION.cff"


def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def test_it_has_the_required_fields_and_this_version() -> None:
    found = citation()
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert (found["cff-version"], found["type"], found["title"]) == ("1.2.0", "software", "PrimeSVT")
    assert found["version"] == __version__
    assert found["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert all(author.get("name") or author["family-names"] for author in found["authors"])


def test_the_paper_is_what_is_cited_first() -> None:
    paper = citation()["preferred-citation"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["url"] == "https://arxiv.org/abs/2606.03428"
    assert [one["value"] for one in paper["identifiers"]] == ["arXiv:2606.03428"]
    assert [author["family-names"] for author in paper["authors"]] == ["Putra", "Muthuvelan", "Marchisio", "Shafique"]
    assert "2606.03428" in (ROOT / "README.md").read_text()


def test_the_schema_of_the_format_takes_it(tmp_path: Path) -> None:
    done = by_builtin_schema("citation-file-format", FILE)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "CITATION.cff"
    wrong.write_text(FILE.read_text().replace("cff-version: 1.2.0", "cff-version: 7"))
    assert by_builtin_schema("citation-file-format", wrong).returncode == 1
