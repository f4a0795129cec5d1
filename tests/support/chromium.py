"""A real browser, Debian's Chromium driven by selenium, and a real server for it."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from app.api.cookies import SESSION_COOKIE
from tests.support.dashboard import Dashboard, Team

REQUIRED = os.environ.get("PRIMESVT_REQUIRE_SERVICES") == "1"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 20
DESKTOP, PHONE = (1280, 900), (390, 844)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

needs_browser = [
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


@contextmanager
def browser(profile: Path) -> Iterator[Chrome]:
    """A browser with a profile of its own, which keeps what pages write to its console."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(DRIVER))
    try:
        yield chrome
    finally:
        chrome.quit()


def sign_in(chrome: Chrome, site: Site, team: Team | None = None) -> None:
    """Have the browser be signed in as a member of a team, the site's own unless another is given."""
    chrome.get(f"{site.address}/sign-in")
    session = (team or site.team).session
    chrome.add_cookie({"name": SESSION_COOKIE, "value": session, "path": "/", "sameSite": "Strict"})


def look(chrome: Chrome, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}
    ]  # fmt: skip
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def photograph(chrome: Chrome, path: Path) -> None:
    """Save a picture of the whole page, also of what the window does not show."""
    size = chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    taken = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(taken["data"]))


def find(chrome: Chrome, selector: str) -> WebElement:
    return WebDriverWait(chrome, SECONDS).until(lambda page: page.find_element(By.CSS_SELECTOR, selector))


def wait_for_text(chrome: Chrome, selector: str, text: str) -> None:
    script = "return document.querySelector(arguments[0])?.textContent ?? ''"
    WebDriverWait(chrome, SECONDS).until(lambda page: text in page.execute_script(script, selector))


def wait_for_address(chrome: Chrome, part: str) -> None:
    WebDriverWait(chrome, SECONDS).until(lambda page: part in page.current_url)


def ink(chrome: Chrome, chart: str) -> int:
    """Number of different colours that a chart's canvas shows; one or none is an empty chart."""
    script = """
        const canvas = document.querySelector(`[data-chart=${arguments[0]}] canvas`);
        if (!canvas) return 0;
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(canvas, 0, 0); // reading the chart's own canvas again and again is warned of
        const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    """
    return int(chrome.execute_script(script, chart))


def wait_for_ink(chrome: Chrome, chart: str, more_than: int = 1) -> None:
    WebDriverWait(chrome, SECONDS).until(lambda page: ink(page, chart) > more_than)
