"""Files that a real browser sends to a real server: in parts, paused, interrupted, straight to storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from app.api.cookies import SESSION_COOKIE
from app.catalog.records import Upload
from app.catalog.service import CatalogService
from app.catalog.states import UploadState
from tests.support.chromium import SECONDS, Site, find, needs_browser, serving, sign_in, wait_for_text
from tests.support.dashboard import Dashboard
from tests.support.servers import free_port
from tests.support.swift import Swift

pytestmark = needs_browser


DROP = """
    const carried = new DataTransfer();
    for (const name of ["dropped.pth", "dropped.npz"]) carried.items.add(new File([name], name));
    const options = {bubbles: true, cancelable: true, dataTransfer: carried};
    document.querySelector("h1").dispatchEvent(new DragEvent("dragover", options));
    document.querySelector("h1").dispatchEvent(new DragEvent("drop", options));
"""


def test_files_that_are_dropped_go_where_their_names_belong(chrome: Chrome, site: Site) -> None:
    chrome.get(f"{site.address}/new")
    chrome.execute_script(DROP)
    for field, name in (("checkpoint_id", "dropped.pth"), ("dataset_id", "dropped.npz")):
        wait_for_text(chrome, f"#{field}", name)
        assert Select(find(chrome, f"#{field}")).first_selected_option.text == name


@contextmanager
def slow(chrome: Chrome, latency_ms: int = 20) -> Iterator[None]:
    """A line of 20 kB a second."""
    chrome.set_network_conditions(
        offline=False, latency=latency_ms, download_throughput=1 << 20, upload_throughput=20_000
    )
    try:
        yield
    finally:
        chrome.delete_network_conditions()


def uploads_named(site: Site, name: str) -> list[Upload]:
    return [one for one in site.board.services.catalog.search(site.team.id).items if one.name == name]


def choose(chrome: Chrome, path: Path) -> None:
    find(chrome, "#checkpoint_id_file").send_keys(str(path))


def test_an_upload_is_paused_left_and_gone_on_with(chrome: Chrome, site: Site, tmp_path: Path) -> None:
    content = os.urandom(40_000)
    (tmp_path / "slow.pth").write_bytes(content)
    chrome.get(f"{site.address}/new")
    with slow(chrome):
        choose(chrome, tmp_path / "slow.pth")
        find(chrome, "[data-act=pause]").click()
        wait_for_text(chrome, ".sent p", "paused")
    chrome.refresh()
    choose(chrome, tmp_path / "slow.pth")
    wait_for_text(chrome, "#recognised", "slow.pth")
    [upload] = uploads_named(site, "slow.pth")
    assert upload.state is UploadState.STORED
    assert site.board.assembled(upload.id) == content


def test_a_file_cannot_be_paused_before_the_service_knows_it_and_leaves_nothing_when_discarded(
    chrome: Chrome, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "early.pth").write_bytes(os.urandom(4_000))
    chrome.get(f"{site.address}/new")
    with slow(chrome, latency_ms=1500):
        choose(chrome, tmp_path / "early.pth")
        discard = find(chrome, "[data-act=discard]")
        assert not chrome.find_elements(By.CSS_SELECTOR, "[data-act=pause]")
        discard.click()
        # Its creation is on the way, and cannot be taken back; what it creates is deleted as soon as it is known.
        chrome.execute_async_script(IDLE, "/delete")
    assert not uploads_named(site, "early.pth")


def test_what_an_earlier_visit_has_begun_is_discarded_before_the_service_has_told_of_it(
    chrome: Chrome, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "again.pth").write_bytes(os.urandom(40_000))
    chrome.get(f"{site.address}/new")
    with slow(chrome):
        choose(chrome, tmp_path / "again.pth")
        find(chrome, "[data-act=pause]").click()
    assert uploads_named(site, "again.pth")
    chrome.refresh()
    with slow(chrome, latency_ms=1500):
        choose(chrome, tmp_path / "again.pth")
        find(chrome, "[data-act=discard]").click()
        chrome.execute_async_script(IDLE, "/delete")
    assert not uploads_named(site, "again.pth")


IDLE = """
    const [asked, done] = arguments;
    const look = () => {
        const known = performance.getEntriesByType("resource").some(({ name }) => name.endsWith(asked));
        known ? done() : setTimeout(look, 50);
    };
    look();
"""
"""Ends when the page has had an answer to what it asked for."""

SLOW_DIGESTS = """
    const digest = crypto.subtle.digest.bind(crypto.subtle);
    window.digests = [];
    crypto.subtle.digest = (...told) => new Promise((go) => window.digests.push(() => go(digest(...told))));
    const send = XMLHttpRequest.prototype.send;
    window.bodies = 0;
    XMLHttpRequest.prototype.send = function (body) {
        window.bodies += body instanceof Blob;
        return send.call(this, body);
    };
"""
"""Digests end when the test says so, and the parts that are sent are counted."""


def test_what_is_paused_sends_nothing_more_and_resumes_once(chrome: Chrome, site: Site, tmp_path: Path) -> None:
    content = os.urandom(9_000)
    (tmp_path / "held.pth").write_bytes(content)
    chrome.get(f"{site.address}/new")
    chrome.execute_script(SLOW_DIGESTS)
    choose(chrome, tmp_path / "held.pth")
    WebDriverWait(chrome, SECONDS).until(lambda page: page.execute_script("return window.digests.length") == 3)
    find(chrome, "[data-act=pause]").click()
    find(chrome, "[data-act=resume]").click()
    chrome.execute_script("for (const go of window.digests.splice(0)) go()")
    WebDriverWait(chrome, SECONDS).until(lambda page: page.execute_script("return window.digests.length") == 3)
    assert chrome.execute_script("return window.bodies") == 0
    chrome.execute_script("window.go = setInterval(() => { for (const go of window.digests.splice(0)) go() }, 10)")
    wait_for_text(chrome, "#recognised", "held.pth")
    assert chrome.execute_script("return window.bodies") == 9
    [upload] = uploads_named(site, "held.pth")
    assert site.board.assembled(upload.id) == content


def test_an_upload_outlives_the_session_that_began_it(chrome: Chrome, site: Site, tmp_path: Path) -> None:
    content = os.urandom(60_000)
    (tmp_path / "long.pth").write_bytes(content)
    chrome.get(f"{site.address}/new")
    with slow(chrome):
        choose(chrome, tmp_path / "long.pth")
        find(chrome, "[data-act=pause]")
        chrome.delete_all_cookies()
        wait_for_text(chrome, ".sent p", "sign in again")
    sign_in(chrome, site)
    chrome.get(f"{site.address}/new")
    assert "401" in str(chrome.get_log("browser"))  # type: ignore[no-untyped-call]  # of the page that was left
    choose(chrome, tmp_path / "long.pth")
    wait_for_text(chrome, "#recognised", "long.pth")
    [upload] = uploads_named(site, "long.pth")
    assert site.board.assembled(upload.id) == content


@pytest.mark.parametrize("is_reachable", [True, False])
def test_large_files_go_straight_to_storage_where_the_browser_reaches_it(
    chrome: Chrome, swift: Swift, tmp_path: Path, is_reachable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    through: list[int] = []
    put_part = CatalogService.put_part

    def counted(catalog: CatalogService, team: str, upload_id: str, number: int, *arguments: Any) -> Upload:
        through.append(number)
        return put_part(catalog, team, upload_id, number, *arguments)

    monkeypatch.setattr(CatalogService, "put_part", counted)
    weights, content = tmp_path / "weights.safetensors", os.urandom(17 << 20)
    weights.write_bytes(content)
    public = swift.endpoint if is_reachable else f"http://127.0.0.1:{free_port()}"
    storage = {"storage_url": f"s3://{swift.fresh_bucket()}/all", "s3_endpoint": swift.endpoint}
    with serving(Dashboard(tmp_path / "data", **storage, s3_public_endpoint=public)) as site:
        chrome.get(f"{site.address}/sign-in")
        chrome.add_cookie({"name": SESSION_COOKIE, "value": site.team.session, "path": "/", "sameSite": "Strict"})
        chrome.get(f"{site.address}/uploads")
        find(chrome, "input[type=file]").send_keys(str(weights))
        find(chrome, "main form button").click()
        wait_for_text(chrome, "table", "weights.safetensors")
        [upload] = site.board.services.catalog.search(site.team.id).items
        assert site.board.assembled(upload.id) == content
        noted = str(chrome.get_log("browser"))  # type: ignore[no-untyped-call]
        assert len(through) == (0 if is_reachable else 2)
        assert ("Failed to load resource" in noted) == (not is_reachable), noted  # and no policy of ours has hindered
        assert "Content Security Policy" not in noted


@pytest.mark.slow
@pytest.mark.parametrize("how", ["the line breaks", "the page is left"])
def test_an_upload_straight_to_storage_goes_on_after_an_interruption(
    chrome: Chrome, swift: Swift, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CatalogService, "put_part", lambda *_: pytest.fail("a part went through the service"))
    weights, content = tmp_path / "weights.safetensors", os.urandom(31 << 20)
    weights.write_bytes(content)
    storage = {
        "storage_url": f"s3://{swift.fresh_bucket()}/all", "s3_endpoint": swift.endpoint,
        "s3_public_endpoint": swift.endpoint, "part_bytes": 5 << 20,
    }  # fmt: skip
    with serving(Dashboard(tmp_path / "data", **storage)) as site:
        catalog = site.board.services.catalog
        chrome.get(f"{site.address}/sign-in")
        chrome.add_cookie({"name": SESSION_COOKIE, "value": site.team.session, "path": "/", "sameSite": "Strict"})
        send_on_uploads(chrome, site, weights)
        chrome.set_network_conditions(offline=False, latency=5, throughput=4_000_000)
        sent = "return document.querySelector('.sent:not([hidden]) progress')?.value ?? 0"
        WebDriverWait(chrome, 60, 0.05).until(lambda page: 0.55 < page.execute_script(sent) < 1)
        if how == "the line breaks":
            chrome.set_network_conditions(offline=True, latency=0, throughput=0)
            noted = lambda page: "ERR_INTERNET_DISCONNECTED" in str(page.get_log("browser"))  # noqa: E731
            WebDriverWait(chrome, SECONDS).until(noted)
        [begun] = catalog.search(site.team.id).items
        assert begun.state is UploadState.UPLOADING
        chrome.delete_network_conditions()
        if how == "the page is left":
            send_on_uploads(chrome, site, weights)
        wait_for_text(chrome, "table", "weights.safetensors")
        WebDriverWait(chrome, 60).until(lambda _: catalog.get(site.team.id, begun.id).state is UploadState.STORED)
        assert len(catalog.search(site.team.id).items) == 1  # the same upload, not another one
        assert site.board.assembled(begun.id) == content
        chrome.get_log("browser")  # type: ignore[no-untyped-call]  # what was sent while the line was away


def send_on_uploads(chrome: Chrome, site: Site, path: Path) -> None:
    chrome.get(f"{site.address}/uploads")
    find(chrome, "input[type=file]").send_keys(str(path))
    find(chrome, "main form button").click()
