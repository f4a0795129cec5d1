"""The dashboard in a real browser, against a real server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from app.api.cookies import SESSION_COOKIE
from app.catalog.states import UploadKind, UploadState
from primesvt_client.facts import ProblemFacts
from primesvt_core.report.publishing import write_report
from tests.support import preflights
from tests.support.chromium import (
    DESKTOP,
    PHONE,
    SECONDS,
    Site,
    find,
    look,
    needs_browser,
    wait_for_address,
    wait_for_ink,
    wait_for_text,
)
from tests.support.dashboard import progress, sample_report
from tests.support.finished_runs import finished_on

pytestmark = needs_browser


def test_one_signs_in_with_a_key_and_out_again(chrome: Chrome, site: Site) -> None:
    chrome.delete_all_cookies()
    chrome.get(f"{site.address}/uploads")
    find(chrome, "#key").send_keys(site.team.secret)
    find(chrome, "form:has(#key) button").click()
    wait_for_address(chrome, "/uploads")
    find(chrome, ".top button").click()
    wait_for_address(chrome, "/sign-in")
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
    Select(find(chrome, "#state")).select_by_value("active")
    wait_for_address(chrome, "state=active")
    WebDriverWait(chrome, SECONDS).until(lambda page: not page.find_elements(By.ID, f"link-{done.id}"))
    assert chrome.find_elements(By.ID, f"link-{job.id}")
    site.board.jobs.fail(claim, ProblemFacts(code="x", detail="stopped for the test"))
    WebDriverWait(chrome, SECONDS).until(lambda page: not page.find_elements(By.ID, f"link-{job.id}"))
    assert chrome.execute_script("return window.kept") is True


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_a_finished_job_draws_both_charts_within_the_window(
    chrome: Chrome, site: Site, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    job = site.board.succeeded(site.team, "Charts")
    look(chrome, size, scheme)
    for address in (f"/jobs/{job.id}", "/", "/new", "/uploads"):
        chrome.get(site.address + address)
        if "jobs/" in address:
            wait_for_ink(chrome, "memory")
            wait_for_ink(chrome, "robustness")
        width = chrome.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0], address
        assert chrome.save_screenshot(str(tmp_path / f"{address.strip('/').replace('/', '-') or 'list'}.png"))


LOST_ON_PAPER = """
    const all = [...document.querySelectorAll("main *, table *, pre, p, img")];
    const isCut = (box) => getComputedStyle(box).overflowX !== "visible" && box.scrollWidth > box.clientWidth + 1;
    const isWide = (box) => box.getBoundingClientRect().right > innerWidth + 1;
    const content = document.querySelectorAll("td, th, dd, pre, img, p");
    const isFolded = (box) => !box.checkVisibility() && !box.closest(".remove");
    const within = (box) => box.closest(".card, body");
    const isBeside = (box) => box.getBoundingClientRect().bottom > within(box).getBoundingClientRect().bottom + 1;
    const lost = all.filter((box) => !box.matches(".hidden") && (isCut(box) || isWide(box)));
    const cut = [...content].filter((box) => isFolded(box) || isBeside(box));
    return [...lost, ...cut].map((box) => box.outerHTML.slice(0, 100));
"""
"""What does not fit beside the other things on a page of A4, or is folded away."""
A4 = (718, 1047)


def test_a_printed_job_and_its_report_lose_nothing(chrome: Chrome, site: Site, tmp_path: Path) -> None:
    report = sample_report(notes=("A note.",))
    (path,) = (path for path in write_report(report, tmp_path) if path.suffix == ".html")
    job = site.board.succeeded(site.team, "Printed", report)
    look(chrome, A4, "light")
    for address, seen in ((f"{site.address}/jobs/{job.id}", "#layers"), (path.as_uri(), "h1")):
        chrome.get(address)
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        find(chrome, seen)
        assert chrome.execute_script(LOST_ON_PAPER) == []


PIXEL = """
    const box = document.querySelector("[data-chart=results]"), canvas = box.querySelector("canvas");
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--s2").trim();
    probe.fillRect(0, 0, 1, 1);
    const wanted = probe.getImageData(0, 0, 1, 1).data;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const isNear = (at) => [0, 1, 2].every((band) => Math.abs(data[at + band] - wanted[band]) < 60);
    const found = [];
    for (let y = 0; y < height * 0.7; y++)
      for (let x = 0; x < width; x++) if (isNear(4 * (y * width + x))) found.push([x, y]);
    const middle = (band) => found.reduce((sum, pixel) => sum + pixel[band], 0) / found.length;
    const scale = box.clientWidth / width;
    return found.length ? [scale * middle(0) - box.clientWidth / 2, scale * middle(1) - box.clientHeight / 2] : null;
"""
"""Where the only point of the results is, from the middle of its chart."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_points_of_the_results_lead_to_their_jobs(chrome: Chrome, site: Site, scheme: str) -> None:
    team = site.board.team(f"with one result, {scheme}")
    job = site.board.succeeded(team, "The only one")
    chrome.add_cookie({"name": SESSION_COOKIE, "value": team.session, "path": "/", "sameSite": "Strict"})
    look(chrome, DESKTOP, scheme)
    chrome.get(f"{site.address}/results")
    wait_for_ink(chrome, "results")
    x, y = WebDriverWait(chrome, SECONDS).until(lambda page: page.execute_script(PIXEL))
    chart = find(chrome, "[data-chart=results]")
    ActionChains(chrome).move_to_element_with_offset(chart, round(x), round(y)).click().perform()
    wait_for_address(chrome, f"/jobs/{job.id}")


def test_a_point_of_the_curve_is_taken_as_another_budget_by_the_keyboard(chrome: Chrome, site: Site) -> None:
    chrome.get(f"{site.address}/jobs/{finished_on(site.board, site.team)}")
    wait_for_ink(chrome, "memory")
    first = find(chrome, ".points a[tabindex='0']")
    chrome.execute_script("arguments[0].focus()", first)
    ActionChains(chrome).send_keys(Keys.ARROW_RIGHT, Keys.ENTER).perform()
    typed = find(chrome, "#another-budget input[type=number]")
    offered = [one.get_attribute("data-take") for one in chrome.find_elements(By.CSS_SELECTOR, "a.take")]
    assert (typed.get_attribute("value"), chrome.switch_to.active_element) == (offered[1], typed)


HOSTILE_REPORT = b"""<!doctype html><title>Report</title><p id="read">as written</p>
<script>document.getElementById("read").textContent = "run"; parent.document.title = "owned"</script>
<img src="x" onerror="parent.location = '/uploads'"><meta http-equiv="refresh" content="0;url=/uploads">"""


def test_a_report_is_read_in_the_page_and_nothing_in_it_runs(chrome: Chrome, site: Site) -> None:
    job = site.board.succeeded(site.team, "Hostile report", more={"report.html": HOSTILE_REPORT})
    chrome.get(f"{site.address}/jobs/{job.id}")
    title = chrome.title
    find(chrome, ".report summary").click()
    chrome.switch_to.frame(find(chrome, ".report iframe"))
    assert find(chrome, "#read").text == "as written"
    chrome.switch_to.default_content()
    assert (chrome.title, chrome.current_url) == (title, f"{site.address}/jobs/{job.id}")
    chrome.get(f"{site.address}/jobs/{job.id}/report")
    assert find(chrome, "#read").text == "as written"
    noted = str(chrome.get_log("browser"))  # type: ignore[no-untyped-call]
    assert "Blocked script execution" in noted or "violates" in noted


def test_layers_are_sorted_in_place(chrome: Chrome, site: Site) -> None:
    job = site.board.succeeded(site.team, "Sorted")
    chrome.get(f"{site.address}/jobs/{job.id}")
    find(chrome, "#sort-name").click()
    wait_for_text(chrome, "#layers tbody tr", "block.0.attn.q")
    assert chrome.find_element(By.CSS_SELECTOR, "[aria-sort=ascending]").text.startswith("Layer")


def test_a_running_job_is_followed_until_its_result_appears(chrome: Chrome, site: Site) -> None:
    job, claim = site.board.running(site.team, "Followed", reports=8)
    reports = progress()
    chrome.get(f"{site.address}/jobs/{job.id}")
    find(chrome, "#live [data-done='2'][data-total='82']")
    wait_for_ink(chrome, "robustness")
    site.board.jobs.heartbeat(claim, reports[8:])
    find(chrome, "#live .big[data-step=search]")
    wait_for_ink(chrome, "memory")
    site.board.jobs.fail(claim, ProblemFacts(code="out_of_memory", detail="the device is full; take a smaller batch"))
    wait_for_text(chrome, ".notice.bad", "take a smaller batch")
    assert not chrome.find_elements(By.CSS_SELECTOR, "[data-events]")


def test_a_job_is_cancelled_and_deleted_by_its_buttons(chrome: Chrome, site: Site) -> None:
    job = site.board.queued(site.team, "To be cancelled")
    chrome.get(f"{site.address}/jobs/{job.id}")
    find(chrome, "form[action$=cancel] button").click()
    find(chrome, ".badge[data-state=cancelled]")
    find(chrome, "#remove-job").click()
    find(chrome, "form[action$=delete] button").click()
    wait_for_text(chrome, "h1", "Jobs")
    assert not chrome.find_elements(By.ID, f"link-{job.id}")


def test_a_new_job_is_checked_where_it_is_typed_and_brings_its_files_in_parts(
    chrome: Chrome, site: Site, tmp_path: Path
) -> None:
    weights, content = tmp_path / "weights.safetensors", os.urandom(3500)
    weights.write_bytes(content)
    data = site.board.ready(site.team, UploadKind.DATASET, "ready.npz")
    chrome.get(f"{site.address}/new")
    drop = find(chrome, "#max_accuracy_drop")
    drop.clear()
    drop.send_keys("250")
    find(chrome, "main button.primary").click()
    assert not chrome.execute_script("return arguments[0].validity.valid", drop)
    for name in ("max_accuracy_drop", "min_memory_saving"):
        find(chrome, f"#{name}").clear()
    find(chrome, "#checkpoint_id_file").send_keys(str(weights))
    find(chrome, "main button.primary").click()
    find(chrome, ".notice.bad[data-error='']")
    chrome.get_log("browser")  # type: ignore[no-untyped-call]  # Chromium notes the 422 of the form that was wrong
    chosen = Select(find(chrome, "#checkpoint_id")).first_selected_option
    assert "weights.safetensors" in chosen.text
    find(chrome, "#max_accuracy_drop").send_keys("3")
    Select(find(chrome, "#dataset_id")).select_by_value(data.id)
    find(chrome, "main button.primary").click()
    wait_for_address(chrome, "/jobs/job_")
    uploads = site.board.services.catalog.search(site.team.id, UploadKind.CHECKPOINT).items
    upload = next(upload for upload in uploads if upload.name == "weights.safetensors")
    assert (upload.state, upload.parts) == (UploadState.STORED, 4)
    assert site.board.assembled(upload.id) == content


def test_the_preflight_follows_the_form_and_takes_the_nearest_possible_value(
    chrome: Chrome, site: Site, tmp_path: Path
) -> None:
    checkpoint = site.board.ready(site.team, UploadKind.CHECKPOINT, "m.pth", preflights.model())
    data = site.board.ready(site.team, UploadKind.DATASET, "d.zip", preflights.data(classes=("a", "b")))
    jobs = len(site.board.services.jobs.search(site.team.id).items)
    chrome.get(f"{site.address}/new")
    Select(find(chrome, "#checkpoint_id")).select_by_value(checkpoint.id)
    Select(find(chrome, "#dataset_id")).select_by_value(data.id)
    wait_for_text(chrome, "#ahead-status", "A problem")
    assert find(chrome, "#ahead-status").get_attribute("role") == "status"
    find(chrome, "#ahead button").click()  # its input is among the advanced ones, which are folded away
    wait_for_text(chrome, "#ahead-status", "No problem")
    fewer = find(chrome, "#allow_fewer_classes")
    assert (fewer.is_displayed(), fewer.get_attribute("value")) == (True, "true")
    (tmp_path / "new.npz").write_bytes(b"images")
    find(chrome, "#dataset_id_file").send_keys(str(tmp_path / "new.npz"))
    find(chrome, "button[name=check]").click()
    wait_for_text(chrome, "#ahead", "new.npz is not validated yet")
    upload = site.board.services.catalog.search(site.team.id, UploadKind.DATASET).items[0]
    claim = site.board.uploads.claim(upload.id, "worker")
    assert claim is not None
    site.board.uploads.accept(claim, preflights.data(samples=4321))
    wait_for_text(chrome, "#ahead [data-fact=samples]", "4,321")  # it asks again by itself
    assert len(site.board.services.jobs.search(site.team.id).items) == jobs


def test_pages_are_read_without_scripts(chrome: Chrome, site: Site) -> None:
    job = site.board.succeeded(site.team, "Plain")
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(f"{site.address}/jobs/{job.id}")
        assert not [box for box in chrome.find_elements(By.CSS_SELECTOR, "[data-chart]") if box.is_displayed()]
        find(chrome, "details:has(#steps-table) summary").click()
        for name, cell in (("steps", "not confirmed"), ("robustness", "block.0.mlp.fc1")):
            assert cell in find(chrome, f"#{name}-table").text
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
