"""The documents in a real browser, as the service shows them: whatever the policy stops there fails the test."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from app.web import build_site
from tests.support.axe import findings, require_axe
from tests.support.chromium import DESKTOP, PHONE, SECONDS, Site, find, look, needs_browser, wait_for_address

pytestmark = needs_browser


@pytest.fixture(scope="module", autouse=True)
def _documents() -> None:
    try:
        build_site.build(build_site.Site())
    except build_site.SiteNotBuilt as error:
        if not (build_site.Site().output / "index.html").is_file():
            pytest.skip(f"the documents are not built: {error}")


def test_one_finds_a_page_by_searching(chrome: Chrome, site: Site) -> None:
    chrome.get(f"{site.address}/")
    find(chrome, "footer a[href='/docs/']").click()
    wait_for_address(chrome, "/docs/")
    find(chrome, "[data-md-component=search-query]").send_keys("budget_unprovable")
    WebDriverWait(chrome, SECONDS).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".md-search-result__link"))
    links = [
        one.get_attribute("href") or "" for one in chrome.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
    ]
    assert any("/docs/" in link for link in links)


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_pages_fit_the_window_and_show_their_figures(
    chrome: Chrome, site: Site, size: tuple[int, int], scheme: str
) -> None:
    look(chrome, size, scheme)
    for path in ("", "method/", "api/", "results/"):
        chrome.get(f"{site.address}/docs/{path}")
        assert find(chrome, "h1").is_displayed()
        script = "return [...document.images].every(one => one.complete && one.naturalWidth > 0)"
        WebDriverWait(chrome, SECONDS).until(lambda page: page.execute_script(script))  # noqa: B023
        assert chrome.execute_script("return document.documentElement.scrollWidth <= window.innerWidth + 1"), path
        is_light = "return (getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)') === arguments[0]"
        WebDriverWait(chrome, SECONDS).until(lambda page: page.execute_script(is_light, scheme == "light"))  # noqa: B023


def written_pages() -> list[str]:
    """Addresses of all pages; of the decisions, which are alike, the list and one."""
    folder = build_site.Site().output
    every = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("index.html"))
    decisions = [one for one in every if one.startswith("decisions/")]
    return [one for one in every if one not in decisions] + decisions[:1]


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_in_the_documents_keeps_people_out(chrome: Chrome, site: Site, size: tuple[int, int]) -> None:
    script = require_axe()
    found: dict[str, list[str]] = {}
    pages = written_pages()
    assert {"api", "deployment", "decisions"} <= {*pages}
    chrome.set_script_timeout(300)
    for page in pages:
        for scheme in ("light", "dark"):
            look(chrome, size, scheme)
            chrome.get(f"{site.address}/docs/{page}/")
            find(chrome, "h1")
            found[f"{page} {scheme}"] = findings(chrome, script)
    assert {where: what for where, what in found.items() if what} == {}
