"""The documents in a real browser, as the service shows them: whatever the policy stops there fails the test."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from app.web import build_site
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
