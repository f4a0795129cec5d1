"""A browser and a site for the tests that look at pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from app.api.cookies import SESSION_COOKIE
from app.web.build import BuildFailed, Project, build
from app.web.rendering import asset
from tests.support.chromium import CHROMIUM, DESKTOP, DRIVER, REQUIRED, Site, look, serving
from tests.support.dashboard import Dashboard

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(scripts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(Dashboard(tmp_path_factory.mktemp("site"), part_bytes=1000)) as found:
        yield found


@pytest.fixture(scope="module")
def scripts() -> None:
    """The scripts of the pages, built."""
    try:
        build(Project())
    except BuildFailed as error:
        if asset("vendor/charts.js"):
            return
        if REQUIRED:
            raise
        pytest.skip(f"the dashboard's scripts are not built: {error}")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = Options()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(DRIVER))
    yield chrome
    chrome.quit()


@pytest.fixture
def chrome(started: Chrome, site: Site) -> Iterator[Chrome]:
    """A browser that is signed in; whatever a page did wrong fails the test."""
    look(started, DESKTOP, "light")
    started.get(f"{site.address}/sign-in")
    started.add_cookie({"name": SESSION_COOKIE, "value": site.team.session, "path": "/", "sameSite": "Strict"})
    started.get_log("browser")  # type: ignore[no-untyped-call]
    yield started
    entries = started.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")] == []
