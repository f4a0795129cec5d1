"""A browser and a site for the tests that look at pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from app.web.build import BuildFailed, Project, build
from app.web.rendering import asset
from tests.support.chromium import DESKTOP, REQUIRED, Site, browser, look, serving, sign_in
from tests.support.dashboard import Dashboard


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
    with browser(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def chrome(started: Chrome, site: Site) -> Iterator[Chrome]:
    """A browser that is signed in; whatever a page did wrong fails the test."""
    look(started, DESKTOP, "light")
    sign_in(started, site)
    started.get_log("browser")  # type: ignore[no-untyped-call]
    yield started
    entries = started.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")] == []
