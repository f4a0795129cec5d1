"""Everything that people do on the dashboard, one after another, in a real browser with the real service, and what
axe-core finds on every page.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from app.api.cookies import SESSION_COOKIE
from tests.support.axe import findings, require_axe
from tests.support.chromium import (
    DESKTOP,
    PHONE,
    Site,
    find,
    look,
    needs_browser,
    photograph,
    wait_for_address,
    wait_for_ink,
    wait_for_text,
)
from tests.support.embedded import EXAMPLES, Service, service
from tests.support.every_page import Shown, every_page
from tests.support.printing import lost_rows, print_to

pytestmark = [*needs_browser, pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(1800)]

LARGE_BYTES = 20_000_000
PART_BYTES = 4 << 20
SECONDS = 900
"""How long a job of the walk may take."""

SPEC = {
    "max_accuracy_drop": "3", "criterion": "l2", "repair": "closed_form", "rates": "50, 90", "batch_size": "50",
    "search_images": "50", "confirmation_images": "200",
}  # fmt: skip
CHARTS = Path(__file__).resolve().parents[2] / "app" / "web" / "assets" / "charts.js"


# The walk


@dataclass
class Walk:
    """Somebody at a browser, and what they have come to.

    Attributes:
        drawn: names of the charts that were seen with something in them.
    """

    chrome: Chrome
    here: Service
    folder: Path
    drawn: set[str]

    def open(self, address: str) -> None:
        self.chrome.get(self.here.found.address + address)

    def see(self, chart: str) -> None:
        wait_for_ink(self.chrome, chart)
        self.drawn.add(chart)

    def until(self, selector: str, seconds: float = SECONDS) -> None:
        WebDriverWait(self.chrome, seconds).until(lambda page: page.find_elements(By.CSS_SELECTOR, selector))

    def printed_whole(self, name: str) -> None:
        """Nothing of any table is missing on paper."""
        photograph(self.chrome, self.folder / f"{name}.png")
        text = print_to(self.folder / f"{name}.pdf", self.chrome)
        assert lost_rows(self.chrome, text) == []


@pytest.fixture
def walk(started: Chrome, scripts: None, tmp_path: Path) -> Iterator[Walk]:
    look(started, DESKTOP, "light")
    saved = {"behavior": "allow", "downloadPath": str(tmp_path / "downloads")}
    started.execute_cdp_cmd("Browser.setDownloadBehavior", saved)
    with service(tmp_path / "service", PRIMESVT_PART_BYTES=str(PART_BYTES)) as here:
        yield Walk(started, here, tmp_path, set())


def test_one_gets_from_signing_in_to_a_printed_comparison(walk: Walk) -> None:
    sign_in(walk)
    checkpoint = large_checkpoint(walk.folder / "large.pth.tar")
    fill_in_the_form(walk, checkpoint)
    submit(walk)
    job = follow(walk)
    check_the_result(walk, job, checkpoint)
    child = take_a_point_of_the_chart(walk, job)
    compare(walk, (job, child))
    for page, chart in (("results", "results"), ("team/usage", "usage")):
        walk.open(f"/{page}")
        walk.see(chart)
        walk.printed_whole(page.replace("/", "-"))
    assert walk.drawn == set(re.findall(r"^  (\w+): \{ option", CHARTS.read_text(), re.MULTILINE))
    noted = walk.chrome.get_log("browser")  # type: ignore[no-untyped-call]
    assert [one["message"] for one in noted if one["level"] in ("SEVERE", "WARNING")] == []


def sign_in(walk: Walk) -> None:
    walk.open("/new")
    find(walk.chrome, "#key").send_keys(walk.here.key)
    find(walk.chrome, "form:has(#key) button").click()
    wait_for_address(walk.chrome, "/new")


def large_checkpoint(path: Path) -> Path:
    """The example as trainers save it, with the state of the optimizer."""
    saved = torch.load(EXAMPLES / "spikformer-digits.pth.tar", weights_only=False)
    missing = LARGE_BYTES - (EXAMPLES / "spikformer-digits.pth.tar").stat().st_size
    torch.save({**saved, "optimizer": {"state": {0: {"exp_avg": torch.rand(missing // 4)}}}}, path)
    assert path.stat().st_size >= LARGE_BYTES - 100_000
    return path


def fill_in_the_form(walk: Walk, checkpoint: Path) -> None:
    """Choose the files, of which one meets a broken connection, and fill in the budget; nothing speaks against it."""
    chrome = walk.chrome
    find(chrome, "#dataset_id_file").send_keys(str(EXAMPLES / "digits.npz"))
    wait_for_text(chrome, "#dataset_id", "digits.npz")
    send_with_a_broken_connection(walk, checkpoint)
    walk.until("#recognised [data-recognised=checkpoint_id][data-state=ready] tbody tr")
    walk.until("#recognised [data-recognised=dataset_id][data-state=ready]")
    assert "Spikformer" in find(chrome, "[data-recognised=checkpoint_id]").text
    chrome.execute_script("document.querySelector('details:has(#preset)').open = true")
    fill_in(chrome, SPEC)
    wait_for_text(chrome, "#ahead-status", "No problem")
    wait_for_text(chrome, "#ahead [data-fact=samples]", "899")
    photograph(chrome, walk.folder / "new.png")


def send_with_a_broken_connection(walk: Walk, checkpoint: Path) -> None:
    """Send the checkpoint; the connection breaks off in the middle and comes back, and the rest is sent by itself."""
    chrome = walk.chrome
    chrome.set_network_conditions(offline=False, latency=5, throughput=4_000_000)
    find(chrome, "#checkpoint_id_file").send_keys(str(checkpoint))
    sent = "return document.querySelector('.sent:not([hidden]) progress')?.value ?? 0"
    WebDriverWait(chrome, 60, 0.05).until(lambda page: page.execute_script(sent) > 0.3)
    chrome.set_network_conditions(offline=True, latency=0, throughput=0)
    WebDriverWait(chrome, 20).until(lambda page: "ERR_INTERNET_DISCONNECTED" in log_of(page))
    assert chrome.execute_script(sent) < 1
    chrome.delete_network_conditions()
    wait_for_text(chrome, "#checkpoint_id", checkpoint.name)


def log_of(chrome: Chrome) -> str:
    return str(chrome.get_log("browser"))  # type: ignore[no-untyped-call]


def fill_in(chrome: Chrome, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        control = find(chrome, f"#{name}")
        if control.tag_name == "select":
            Select(control).select_by_visible_text(value)
        else:
            control.clear()
            control.send_keys(value)


NOW = """
    const live = document.querySelector("#live");
    if (!window.kept || !live) return null;
    return [live.querySelector(".big")?.dataset.step ?? "", live.querySelector("[data-done]")?.dataset.done ?? ""];
"""
"""The step of a running job and how much of it is done, while the page is the one that was opened."""


def submit(walk: Walk) -> None:
    find(walk.chrome, "form[data-sends] .actions > button.primary").click()
    wait_for_address(walk.chrome, "/jobs/job_")


def follow(walk: Walk) -> str:
    """See a job's progress move without a reload, and its result appear; returns its id."""
    chrome, seen = walk.chrome, [("", "")]
    chrome.execute_script("window.kept = true")
    deadline = time.monotonic() + SECONDS
    while (now := chrome.execute_script(NOW)) is not None and time.monotonic() < deadline:
        if seen[-1] != tuple(now):
            seen.append((now[0], now[1]))
        time.sleep(0.1)
    find(chrome, "#verdict")
    moved = [ours for ours, following in pairwise(seen) if ours[0] == following[0] and ours[1] and following[1]]
    assert moved, seen
    assert len({step for step, _ in seen if step}) > 1, seen
    return find(chrome, "h1").get_attribute("data-job") or ""


def check_the_result(walk: Walk, job: str, checkpoint: Path) -> None:
    """The charts, the digest of what was sent, the model as the page says it is, and all of it on paper."""
    chrome = walk.chrome
    walk.see("memory")
    walk.see("robustness")
    sent = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert sent in find(chrome, "#identity").text
    row = find(chrome, "#downloads-table tr:has(a[href$='model.safetensors'])")
    told = row.find_element(By.CSS_SELECTOR, ".digest").text
    row.find_element(By.CSS_SELECTOR, "a").click()
    model = walk.folder / "downloads" / "model.safetensors"
    WebDriverWait(chrome, 30).until(lambda _: model.is_file())
    assert hashlib.sha256(model.read_bytes()).hexdigest() == told
    walk.printed_whole("job")


def take_a_point_of_the_chart(walk: Walk, job: str) -> str:
    """Click a point of the chart, submit what it fills in, and await the result; returns the new job's id."""
    chrome = walk.chrome
    chart = find(chrome, "[data-chart=memory]")
    offered = [one.get_attribute("data-take") for one in chrome.find_elements(By.CSS_SELECTOR, "a.take")]
    points = chrome.find_elements(By.CSS_SELECTOR, ".points a")
    assert points
    place = "const {left, top} = arguments[0].style; return [parseFloat(left), parseFloat(top)]"
    x, y = chrome.execute_script(place, points[-1])
    across, down = x - chart.size["width"] / 2, y - chart.size["height"] / 2
    ActionChains(chrome).move_to_element_with_offset(chart, round(across), round(down)).click().perform()
    typed = find(chrome, "#another-budget input[type=number]")
    assert typed.get_attribute("value") in offered
    find(chrome, "#another-budget button").click()
    WebDriverWait(chrome, 20).until(lambda page: "/jobs/job_" in page.current_url and job not in page.current_url)
    walk.until("#verdict")
    assert (find(chrome, "#parent").get_attribute("href") or "").endswith(job)
    return find(chrome, "h1").get_attribute("data-job") or ""


def compare(walk: Walk, jobs: tuple[str, ...]) -> None:
    """Tick jobs in the list and compare them."""
    chrome = walk.chrome
    walk.open("/")
    walk.printed_whole("jobs")
    for job in jobs:
        find(chrome, f"tr[data-job={job}] input[name=job]").click()
    find(chrome, "button[data-least='2']").click()
    wait_for_address(chrome, "/compare")
    compared = chrome.find_elements(By.CSS_SELECTOR, "[data-compared]")
    assert {one.get_attribute("data-compared") for one in compared} == {*jobs}
    assert find(chrome, "#comparison [data-row$=max_accuracy_drop]").is_displayed()
    walk.see("compare")
    walk.printed_whole("compare")


# Every page


@pytest.fixture(scope="module")
def pages(site: Site) -> list[Shown]:
    return list(every_page(site.board))


def test_no_row_of_any_page_is_lost_on_paper(started: Chrome, site: Site, pages: list[Shown], tmp_path: Path) -> None:
    look(started, DESKTOP, "light")
    found: dict[str, list[str]] = {}
    for place, one in enumerate(pages):
        show(started, site, one)
        if started.find_elements(By.CSS_SELECTOR, "table"):
            found[one.address] = lost_rows(started, print_to(tmp_path / f"{place:02}.pdf", started))
    assert len(found) > 15
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_on_any_page_keeps_people_out(
    started: Chrome, site: Site, pages: list[Shown], size: tuple[int, int], tmp_path: Path
) -> None:
    script = require_axe()
    found: dict[str, list[str]] = {}
    for place, one in enumerate(pages):
        look(started, size, "light")
        show(started, site, one)
        for scheme in ("light", "dark"):
            look(started, size, scheme)
            found[f"{one.address} {scheme}"] = [*findings(started, script), *too_wide(started, size)]
            photograph(started, tmp_path / f"{place:02}-{scheme}.png")
    assert {where: what for where, what in found.items() if what} == {}


def too_wide(chrome: Chrome, size: tuple[int, int]) -> list[str]:
    width = chrome.execute_script("return document.documentElement.scrollWidth")
    return [f"wider than the window: {width}"] if width > size[0] else []


def show(chrome: Chrome, site: Site, one: Shown) -> None:
    """Open a page as who looks at it, all of it there."""
    chrome.get(f"{site.address}/static/icon.svg")
    chrome.delete_all_cookies()
    if one.who is not None:
        chrome.add_cookie({"name": SESSION_COOKIE, "value": one.who.session, "path": "/", "sameSite": "Strict"})
    chrome.get(site.address + one.address)
    find(chrome, "h1")
    for chart in chrome.find_elements(By.CSS_SELECTOR, "[data-chart]:not(.waiting)"):
        wait_for_ink(chrome, chart.get_attribute("data-chart") or "")
