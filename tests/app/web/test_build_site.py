"""What a build of the documents leaves; the real one is in tests/architecture/test_site.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.web import build_site as building
from app.web.build_site import INLINE_SCRIPTS, Site, SiteNotBuilt, build, csp_source, inline_scripts
from app.web.documents import INLINE_SCRIPTS as READ

PAGE = """<html><script>one()</script><script src="more.js"></script>
<script type="application/json">{"no": "script"}</script><script type="module">two("</p>")</script></html>"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A checkout of one page, and a MkDocs that writes a site of one page, unless the page says that it fails."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# One")
    (tmp_path / "mkdocs.yml").write_text("site_name: x")

    def run(site: Site, out: Path) -> None:
        if "broken" in (site.root / "docs" / "index.md").read_text():
            raise SiteNotBuilt("mkdocs failed")
        (out / "assets" / "javascripts" / "lunr").mkdir(parents=True)
        for name in ("index.html", "404.html", "sitemap.xml"):
            (out / name).write_text(PAGE)
        (out / "assets" / "main.css.map").touch()

    monkeypatch.setattr(building, "_run_mkdocs", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    return Site(tmp_path, tmp_path / "site")


def test_scripts_of_a_page_are_found_and_data_are_not() -> None:
    assert inline_scripts(PAGE) == ["one()", 'two("</p>")']


def test_a_script_is_allowed_by_its_digest() -> None:
    # the well-known digest of nothing: openssl dgst -sha256 -binary </dev/null | base64
    assert csp_source("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


def test_a_build_notes_the_scripts_and_leaves_out_what_the_service_does_not_show(site: Site) -> None:
    assert build(site)
    left = sorted(path.relative_to(site.output).as_posix() for path in site.output.rglob("*") if path.is_file())
    assert left == [".built-from", "index.html", INLINE_SCRIPTS]
    noted = (site.output / INLINE_SCRIPTS).read_text().splitlines()
    assert noted == sorted([csp_source("one()"), csp_source('two("</p>")')])
    assert READ == INLINE_SCRIPTS


def test_it_is_built_once_and_again_when_a_page_changes(site: Site) -> None:
    assert build(site)
    assert not build(site)
    (site.root / "docs" / "new.md").write_text("# New")
    assert build(site)


def test_a_build_that_fails_leaves_the_one_before_it(site: Site) -> None:
    build(site)
    (site.root / "docs" / "index.md").write_text("broken")
    with pytest.raises(SiteNotBuilt, match="mkdocs failed"):
        build(site)
    assert (site.output / "index.html").is_file()
    assert not site.is_current()


def test_outside_a_checkout_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(SiteNotBuilt, match=r"mkdocs\.yml"):
        build(Site(tmp_path, tmp_path / "site"))


def test_without_mkdocs_it_says_what_to_do(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SiteNotBuilt, match=r"pip install -c constraints\.txt mkdocs-material"):
        build(site)
