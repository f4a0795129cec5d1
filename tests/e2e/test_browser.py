"""The dashboard in a real browser: Debian's Chromium, driven by selenium, against a real server."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from app.api.deps import SESSION_COOKIE
from app.catalog.records import Upload
from app.catalog.service import CatalogService
from app.catalog.states import UploadKind, UploadState
from app.web.build import BuildFailed, Project, build
from app.web.rendering import asset
from tests.support.dashboard import Dashboard, Team, progress
from tests.support.servers import free_port
from tests.support.swift import Swift

REQUIRED = os.environ.get("PRIMESVT_REQUIRE_SERVICES") == "1"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 20
DESKTOP, PHONE = (1280, 900), (390, 844)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not REQUIRED and not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not on this machine"
    ),
]


@dataclass(frozen=True)
class Site:
    """A running server and what lies behind it."""

    board: Dashboard
    team: Team
    address: str


@contextmanager
def serving(board: Dashboard) -> Iterator[Site]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        board.app, port=port, log_level="warning", ws="none", lifespan="off", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield Site(board, board.team(), f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(SECONDS)
    board.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    _require_scripts()
    with serving(Dashboard(tmp_path_factory.mktemp("site"), part_bytes=1000)) as found:
        yield found


def _require_scripts() -> None:
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
    _look(started, DESKTOP, "light")
    started.get(f"{site.address}/sign-in")
    started.add_cookie({"name": SESSION_COOKIE, "value": site.team.session, "path": "/", "sameSite": "Strict"})
    started.get_log("browser")  # type: ignore[no-untyped-call]
    yield started
    entries = started.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")] == []


def _look(chrome: Chrome, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}
    ]  # fmt: skip
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _find(chrome: Chrome, selector: str) -> WebElement:
    return WebDriverWait(chrome, SECONDS).until(lambda page: page.find_element(By.CSS_SELECTOR, selector))


def _wait_for_text(chrome: Chrome, selector: str, text: str) -> None:
    script = "return document.querySelector(arguments[0])?.textContent ?? ''"
    WebDriverWait(chrome, SECONDS).until(lambda page: text in page.execute_script(script, selector))


def _wait_for_address(chrome: Chrome, part: str) -> None:
    WebDriverWait(chrome, SECONDS).until(lambda page: part in page.current_url)


def _ink(chrome: Chrome, chart: str) -> int:
    """Number of different colours that a chart's canvas shows; one or none is an empty chart."""
    script = """
        const canvas = document.querySelector(`[data-chart=${arguments[0]}] canvas`);
        if (!canvas) return 0;
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    """
    return int(chrome.execute_script(script, chart))


def _wait_for_ink(chrome: Chrome, chart: str, more_than: int = 1) -> None:
    WebDriverWait(chrome, SECONDS).until(lambda page: _ink(page, chart) > more_than)


def test_one_signs_in_with_a_key_and_out_again(chrome: Chrome, site: Site) -> None:
    chrome.delete_all_cookies()
    chrome.get(f"{site.address}/uploads")
    _find(chrome, "#key").send_keys(site.team.secret)
    _find(chrome, "form:has(#key) button").click()
    _wait_for_address(chrome, "/uploads")
    _find(chrome, ".top button").click()
    _wait_for_address(chrome, "/sign-in")
    chrome.get(f"{site.address}/")
    assert "/sign-in" in chrome.current_url


def test_the_list_filters_without_a_reload_and_refreshes_itself(chrome: Chrome, site: Site) -> None:
    done = site.board.succeeded(site.team, "Finished in the list")
    job, claim = site.board.running(site.team, "Running in the list")
    chrome.get(f"{site.address}/")
    chrome.execute_script("window.kept = true")
    assert chrome.find_element(By.ID, f"link-{done.id}").is_displayed()
    local = chrome.find_element(By.CSS_SELECTOR, "td time")
    assert "UTC" not in local.text
    assert "UTC" in (local.get_attribute("title") or "")
    Select(_find(chrome, "#state")).select_by_value("active")
    _wait_for_address(chrome, "state=active")
    WebDriverWait(chrome, SECONDS).until(lambda page: not page.find_elements(By.ID, f"link-{done.id}"))
    assert chrome.find_elements(By.ID, f"link-{job.id}")
    site.board.jobs.fail(claim, {"code": "x", "detail": "stopped for the test"})
    WebDriverWait(chrome, SECONDS).until(lambda page: not page.find_elements(By.ID, f"link-{job.id}"))
    assert chrome.execute_script("return window.kept") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_finished_job_draws_both_charts_within_the_window(
    chrome: Chrome, site: Site, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    job = site.board.succeeded(site.team, "Charts")
    _look(chrome, size, scheme)
    for address in (f"/jobs/{job.id}", "/", "/new", "/uploads"):
        chrome.get(site.address + address)
        if "jobs/" in address:
            _wait_for_ink(chrome, "memory")
            _wait_for_ink(chrome, "robustness")
        width = chrome.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0], address
        assert chrome.save_screenshot(str(tmp_path / f"{address.strip('/').replace('/', '-') or 'list'}.png"))


def test_layers_are_sorted_in_place(chrome: Chrome, site: Site) -> None:
    job = site.board.succeeded(site.team, "Sorted")
    chrome.get(f"{site.address}/jobs/{job.id}")
    _find(chrome, "#sort-name").click()
    _wait_for_text(chrome, "#layers tbody tr", "block.0.attn.q")
    assert chrome.find_element(By.CSS_SELECTOR, "[aria-sort=ascending]").text.startswith("Layer")


def test_a_running_job_is_followed_until_its_result_appears(chrome: Chrome, site: Site) -> None:
    job, claim = site.board.running(site.team, "Followed", told=8)
    told = progress()
    chrome.get(f"{site.address}/jobs/{job.id}")
    _wait_for_text(chrome, "#live .note", "2 of 82")
    _wait_for_ink(chrome, "robustness")
    site.board.jobs.heartbeat(claim, told[8:])
    _wait_for_text(chrome, "#live .big", "Search within the budget")
    _wait_for_ink(chrome, "memory")
    site.board.jobs.fail(claim, {"code": "out_of_memory", "detail": "the device is full; take a smaller batch"})
    _wait_for_text(chrome, ".notice.bad", "take a smaller batch")
    assert not chrome.find_elements(By.CSS_SELECTOR, "[data-events]")


def test_a_job_is_cancelled_and_deleted_by_its_buttons(chrome: Chrome, site: Site) -> None:
    job = site.board.queued(site.team, "To be cancelled")
    chrome.get(f"{site.address}/jobs/{job.id}")
    _find(chrome, "form[action$=cancel] button").click()
    _wait_for_text(chrome, ".badge", "Cancelled")
    _find(chrome, "#remove-job").click()
    _find(chrome, "form[action$=delete] button").click()
    _wait_for_text(chrome, "h1", "Jobs")
    assert not chrome.find_elements(By.ID, f"link-{job.id}")


def test_a_new_job_is_checked_where_it_is_typed_and_brings_its_files_in_parts(
    chrome: Chrome, site: Site, tmp_path: Path
) -> None:
    weights, content = tmp_path / "weights.safetensors", os.urandom(3500)
    weights.write_bytes(content)
    data = site.board.ready(site.team, UploadKind.DATASET, "ready.npz")
    chrome.get(f"{site.address}/new")
    drop = _find(chrome, "#max_accuracy_drop")
    drop.clear()
    drop.send_keys("250")
    _find(chrome, "main button.primary").click()
    assert not chrome.execute_script("return arguments[0].validity.valid", drop)
    for name in ("max_accuracy_drop", "min_memory_saving"):
        _find(chrome, f"#{name}").clear()
    _find(chrome, "#checkpoint_id_file").send_keys(str(weights))
    _find(chrome, "main button.primary").click()
    _wait_for_text(chrome, ".notice.bad", "at least one of the four")
    chrome.get_log("browser")  # type: ignore[no-untyped-call]  # Chromium notes the 422 of the form that was wrong
    chosen = Select(_find(chrome, "#checkpoint_id")).first_selected_option
    assert "weights.safetensors" in chosen.text
    _find(chrome, "#max_accuracy_drop").send_keys("3")
    Select(_find(chrome, "#dataset_id")).select_by_value(data.id)
    _find(chrome, "main button.primary").click()
    _wait_for_address(chrome, "/jobs/job_")
    uploads = site.board.services.catalog.search(site.team.id, UploadKind.CHECKPOINT).items
    upload = next(upload for upload in uploads if upload.name == "weights.safetensors")
    assert (upload.state, upload.parts) == (UploadState.STORED, 4)
    assert site.board.assembled(upload.id) == content


@pytest.mark.parametrize("is_reachable", [True, False])
def test_large_files_go_straight_to_storage_where_the_browser_reaches_it(
    chrome: Chrome, swift: Swift, tmp_path: Path, is_reachable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    through: list[int] = []
    put_part = CatalogService.put_part

    def counted(catalog: CatalogService, team: str, upload_id: str, number: int, *told: Any) -> Upload:
        through.append(number)
        return put_part(catalog, team, upload_id, number, *told)

    monkeypatch.setattr(CatalogService, "put_part", counted)
    weights, content = tmp_path / "weights.safetensors", os.urandom(17 << 20)
    weights.write_bytes(content)
    public = swift.endpoint if is_reachable else f"http://127.0.0.1:{free_port()}"
    storage = {"storage_url": f"s3://{swift.fresh_bucket()}/all", "s3_endpoint": swift.endpoint}
    with serving(Dashboard(tmp_path / "data", **storage, s3_public_endpoint=public)) as site:
        chrome.get(f"{site.address}/sign-in")
        chrome.add_cookie({"name": SESSION_COOKIE, "value": site.team.session, "path": "/", "sameSite": "Strict"})
        chrome.get(f"{site.address}/uploads")
        _find(chrome, "input[type=file]").send_keys(str(weights))
        _find(chrome, "main form button").click()
        _wait_for_text(chrome, "table", "weights.safetensors")
        [upload] = site.board.services.catalog.search(site.team.id).items
        assert site.board.assembled(upload.id) == content
        noted = str(chrome.get_log("browser"))  # type: ignore[no-untyped-call]
        assert len(through) == (0 if is_reachable else 2)
        assert ("Failed to load resource" in noted) == (not is_reachable), noted  # and no policy of ours has hindered
        assert "Content Security Policy" not in noted


def test_pages_are_read_without_scripts(chrome: Chrome, site: Site) -> None:
    job = site.board.succeeded(site.team, "Plain")
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(f"{site.address}/jobs/{job.id}")
        assert len(chrome.find_elements(By.CSS_SELECTOR, ".plot > svg")) == 2
        assert "accepted steps" in chrome.find_element(By.CSS_SELECTOR, ".legend").text
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
