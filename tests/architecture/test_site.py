"""The documents as a site: built without a warning and whole, needing no internet; every link leads somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import urldefrag, urlsplit
from xml.etree.ElementTree import fromstring

import pytest
import yaml

from app.web.build_site import INLINE_SCRIPTS, Site, SiteNotBuilt, build, csp_source, inline_scripts
from docs.readme_results import TABLE, MissingResults, summary
from docs.results_picture import Bar, bar_of, picture
from docs.site_hooks import DASHBOARD, MORE, complete, linked
from tests.support.page_blocks import ROOT, pages, tokens

DOCS = ROOT / "docs"
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
NAMES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def nav() -> list[object]:
    return list(yaml.safe_load(CONFIG)["nav"])


# the navigation


def test_a_page_that_no_entry_names_is_in_the_last_section() -> None:
    completed = complete([{"Home": "index.md"}, {"Why": [{"Decisions": "decisions/"}]}],
                         ["decisions/0001-a.md", "decisions/README.md", "index.md", "new.md"])  # fmt: skip
    assert completed[:2] == [
        {"Home": "index.md"},
        {"Why": [{"Decisions": ["decisions/README.md", "decisions/0001-a.md"]}]},
    ]
    assert completed[2:] == [{MORE: ["new.md"]}]


def test_the_navigation_names_only_pages_that_there_are() -> None:
    named = re.findall(r":\s(\S+\.md)$", CONFIG, re.MULTILINE)
    assert len(named) > 25
    assert {*named} <= {*NAMES}
    assert str(complete(nav(), NAMES)).count(".md'") == len(NAMES)


def test_pages_that_a_text_names_become_links() -> None:
    there = ["data.md", "decisions/0041-no-merging.md", "how-to/ci.md"]
    assert linked("see `docs/data.md`", "how-to/ci.md", there) == "see [`docs/data.md`](../data.md)"
    assert linked("`docs/decisions/0041`", "data.md", there) == "[`docs/decisions/0041`](decisions/0041-no-merging.md)"
    assert (
        linked("`docs/gone.md`, [`docs/data.md`](data.md)", "a.md", there)
        == "`docs/gone.md`, [`docs/data.md`](data.md)"
    )


# links in the sources, as a checkout shows them


@cache
def anchors(page: Path) -> set[str]:
    found, headings = set[str](), tokens(page)
    for token, inner in pairwise(headings):
        if token.type == "heading_open":
            text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", inner.content)
            found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text.lower()).strip()))
    return found


def targets(page: Path) -> set[str]:
    found = set[str]()
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") if child.type == "link_open" else child.attrGet("src")
            if target:
                found.add(str(target))
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in targets(page):
        if urlsplit(target).scheme in ("https", "http", "mailto"):
            continue
        path, anchor = urldefrag(target)
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_document_that_a_text_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`(docs/[\w/-]+\.(?:md|json|yml))`", text):
        assert (ROOT / name).is_file(), f"{page.name}: {name}"
    for number in re.findall(r"`docs/decisions/(\d{4})`", text):
        assert [*DOCS.glob(f"decisions/{number}-*.md")], f"{page.name}: {number}"


# the build


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real site, in strict mode: a warning of MkDocs fails."""
    if importlib.util.find_spec("material") is None:
        pytest.skip("MkDocs Material is not installed: pip install -c constraints.txt mkdocs-material")
    site = Site(ROOT, tmp_path_factory.mktemp("site") / "site")
    assert build(site)
    return site.output


def test_a_link_that_leads_nowhere_fails_the_build(built: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# One\n\n[two](gone.md)\n")
    (tmp_path / "mkdocs.yml").write_text(CONFIG.partition("\nhooks:")[0] + "\n")
    with pytest.raises(SiteNotBuilt, match=r"gone\.md"):
        build(Site(tmp_path, tmp_path / "site"))
    assert not (tmp_path / "site").exists()


def html(built: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in built.rglob("*.html")}


def test_the_site_has_every_page_and_finds_them_offline(built: Path) -> None:
    assert len(html(built)) == len(NAMES)
    assert all(re.search(r'<a[^>]*\shref="?/["\s>]', text) for text in html(built).values())  # back to the dashboard
    index = json.loads((built / "search" / "search_index.json").read_text())
    assert {"quick-start/", "api/", "decisions/"} <= {entry["location"].partition("#")[0] for entry in index["docs"]}


def test_the_site_needs_nothing_from_the_internet_and_nothing_that_the_policy_forbids(built: Path) -> None:
    noted = (built / INLINE_SCRIPTS).read_text().split()
    for path, text in html(built).items():
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(?:https?:)?//", text), path
        assert not re.findall(
            r"<link[^>]*rel=\"?(?:stylesheet|preconnect|preload|icon)[^>]*href=\"?(?:https?:)?//", text
        ), path
        assert not re.findall(
            r"<[a-z][^>]*\s(?:style|on[a-z]+)=", re.sub(r"<(code|script).*?</\1>", "", text, flags=re.S)
        ), path
        assert "<style" not in text, path
        assert {csp_source(script) for script in inline_scripts(text)} <= {*noted}, path
    for sheet in built.rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text()), sheet


def test_every_link_of_the_site_leads_somewhere(built: Path) -> None:
    found = html(built)
    ids = {path: {*re.findall(r'\sid="?([^"\s>]+)', text)} for path, text in found.items()}
    for path, text in found.items():
        for target in re.findall(r'<a[^>]*\shref="?([^"\s>]+)', text):
            if urlsplit(target).scheme or target == DASHBOARD:
                continue
            name, anchor = urldefrag(target)
            file = (path.parent / name).resolve() if name else path
            file = file / "index.html" if file.is_dir() else file
            assert file.is_file(), (path, target)
            assert not anchor or file not in ids or anchor in ids[file] or anchor == "__skip", (path, target)


# figures


NUMBER = re.compile(r"\d+(?:\.\d+)?")
MODELS = {
    "CIFAR-10": "cifar10",
    "Fashion-MNIST": "fashion",
    "digits": "digits",
    "N-MNIST, 5 points": "nmnist",
    "Fashion-MNIST, SDT": "fashion-sdt",
}


def test_readmes_figures_are_those_of_the_results_and_of_the_study() -> None:
    readme, results = (ROOT / "README.md").read_text(), (DOCS / "results.md").read_text()
    [table] = TABLE.findall(readme)
    assert table == summary(results)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == [*MODELS]
    for model, *cells in rows:
        study = results.partition(f"\n### {MODELS[model]}\n")[2].partition("\n### ")[0]
        for ways, cell in zip((("deep",), ("paper",), ("gram-refit",)), cells, strict=True):
            saved = [
                line.split("|")[3] for line in study.splitlines() if line.startswith(tuple(f"| {way}" for way in ways))
            ]
            measured = {float(number) for text in saved for number in NUMBER.findall(text)}
            assert {float(number) for number in NUMBER.findall(cell)} <= measured, (model, ways)


def test_the_picture_of_readme_shows_the_figures_of_its_table() -> None:
    [table] = TABLE.findall((ROOT / "README.md").read_text())
    shown = (DOCS / "results.svg").read_text()
    assert shown == picture(table)
    assert "docs/results.svg" in (ROOT / "README.md").read_text()
    root = fromstring(shown)
    assert {one.tag.rpartition("}")[2] for one in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "text",
        "line",
    }
    assert (bar_of("21.3 % (0 to 30.7)"), bar_of("65.1, 60.1 % (two seeds)").low) == (
        Bar("21.3 %", 21.3, 0, 30.7),
        60.1,
    )
    with pytest.raises(ValueError, match="no share"):
        bar_of("not measured")


def test_results_without_the_table_are_refused() -> None:
    with pytest.raises(MissingResults, match="0 tables"):
        summary("# Results\n\nnone\n")


def test_the_figure_of_the_promise_shows_figures_of_the_results() -> None:
    shown = re.findall(r">(?:lost )?(\d\.\d\d)<", (DOCS / "method-promise.svg").read_text())
    assert sorted(shown) == ["2.47", "2.75", "2.91", "2.98", "3.53"]
    assert all(number in (DOCS / "results.md").read_text() for number in shown)
