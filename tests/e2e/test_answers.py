"""Three questions that a team with 300 finished jobs asks, answered by the dashboard alone, in a real browser.

Which compression of this checkpoint is the smallest within two points? What changed between these two jobs? Who ran
this one, and how is it run again? Counted is what a member has to do from the first page, and how long that takes by
the keystroke-level model (Card, Moran and Newell, 1980): a decision, pointing and clicking, typing, and the page's own
time. ``pytest -rP --log-level=INFO`` shows the figures.
"""

from __future__ import annotations

import logging
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from app.api.cookies import SESSION_COOKIE
from primesvt_client.sizes import size_text
from tests.support.busy_team import BusyTeam, Made, busy_team
from tests.support.chromium import DESKTOP, PHONE, SECONDS, Site, find, look, needs_browser, wait_for_address

pytestmark = [*needs_browser, pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(600)]

log = logging.getLogger(__name__)

DECIDE, POINT, CLICK, KEY = 1.35, 1.1, 0.2, 0.28
"""Seconds of the model, for a typist of average skill."""

READ = 10.0
"""Seconds for reading an answer that is in view."""

A_MINUTE = 60.0
CHECKPOINT, WITHIN = "spikformer-cifar10.pth", "2"


@dataclass
class Member:
    """Somebody at the first page, and what they have done since.

    Attributes:
        thinking: seconds that the model gives them.
    """

    chrome: Chrome
    address: str
    clicks: int = 0
    keys: int = 0
    thinking: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def click(self, what: WebElement) -> None:
        self.clicks += 1
        self.thinking += DECIDE + POINT + CLICK
        what.click()

    def choose(self, selector: str, value: str) -> None:
        """From a list: one click opens it, another takes a line."""
        self.clicks += 1
        self.thinking += POINT + CLICK
        self.click(find(self.chrome, selector))
        Select(find(self.chrome, selector)).select_by_value(value)

    def type(self, selector: str, text: str) -> None:
        field_ = find(self.chrome, selector)
        self.click(field_)
        self.keys += len(text)
        self.thinking += KEY * len(text)
        field_.clear()
        field_.send_keys(text)

    def seconds(self) -> float:
        """All that the answer has taken, with reading it."""
        return time.monotonic() - self.begun + self.thinking + READ

    def told(self, question: str, most_clicks: int) -> None:
        """The answer is in view: what it has cost."""
        seconds = self.seconds()
        log.info("%s: %d clicks, %d keys, %.1f s", question, self.clicks, self.keys, seconds)
        assert self.clicks <= most_clicks
        assert seconds < A_MINUTE


@pytest.fixture(scope="module")
def team(site: Site) -> BusyTeam:
    return busy_team(site.board)


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def member(started: Chrome, site: Site, team: BusyTeam, request: pytest.FixtureRequest) -> Iterator[Member]:
    look(started, request.param, "light")
    started.get(f"{site.address}/sign-in")
    started.execute_script("sessionStorage.clear()")
    cookie = {"name": SESSION_COOKIE, "value": team.reader.session, "path": "/", "sameSite": "Strict"}
    started.add_cookie(cookie)
    started.get_log("browser")  # type: ignore[no-untyped-call]
    started.get(f"{site.address}/")
    find(started, "h1")
    yield Member(started, site.address)
    noted = started.get_log("browser")  # type: ignore[no-untyped-call]
    assert [one["message"] for one in noted if one["level"] in ("SEVERE", "WARNING")] == []


def in_view(chrome: Chrome, part: WebElement) -> bool:
    script = "const {top, bottom} = arguments[0].getBoundingClientRect(); return top >= 0 && bottom <= innerHeight"
    return bool(chrome.execute_script(script, part))


def menu(chrome: Chrome, address: str) -> WebElement:
    return find(chrome, f"nav[aria-label=Main] a[href='{address}']")


def test_the_smallest_within_two_points_is_one_form_away(member: Member, team: BusyTeam) -> None:
    chrome, right = member.chrome, team.smallest(CHECKPOINT, 0.02)
    member.click(menu(chrome, "/results"))
    member.choose("#checkpoint_id", team.checkpoints[CHECKPOINT])
    member.type("#within", WITHIN)
    member.click(find(chrome, "form.filters button"))
    wait_for_address(chrome, "within=2")
    answer = find(chrome, "[data-smallest]")
    assert in_view(chrome, answer)
    assert answer.get_attribute("data-smallest") == right.id
    assert right.name in answer.text
    assert size_text(right.memory) in answer.text
    assert not chrome.find_elements(By.CSS_SELECTOR, "[data-mixed]")
    first = find(chrome, "tr[data-result]")
    assert first.get_attribute("data-result") == right.id  # the list begins with it
    member.told("smallest within two points", 6)


def test_it_is_also_two_clicks_from_the_checkpoint(member: Member, team: BusyTeam) -> None:
    chrome = member.chrome
    member.click(menu(chrome, "/uploads"))
    member.click(find(chrome, f"[data-results={team.checkpoints[CHECKPOINT]}]"))
    member.type("#within", WITHIN)
    member.click(find(chrome, "form.filters button"))
    wait_for_address(chrome, "within=2")
    assert find(chrome, "[data-smallest]").get_attribute("data-smallest") == team.smallest(CHECKPOINT, 0.02).id
    assert Select(find(chrome, "#checkpoint_id")).first_selected_option.text.startswith(CHECKPOINT)
    member.told("smallest, from the checkpoint", 5)


def wait_for_search(chrome: Chrome, text: str) -> None:
    """Until the list is that of what was searched for."""
    own = "return document.getElementById('jobs').getAttribute('hx-get')"

    def is_there(page: Chrome) -> bool:
        return parse_qs(urlsplit(page.execute_script(own)).query).get("q") == [text]

    WebDriverWait(chrome, SECONDS).until(is_there)


def search_and_tick(member: Member, job: Made) -> None:
    """Look for a job by its name, of which others may begin alike, and tick it."""
    chrome = member.chrome
    member.type("#q", job.name)
    wait_for_search(chrome, job.name)
    member.click(find(chrome, f"tr[data-job={job.id}] input[name=job]"))


def differences(chrome: Chrome) -> dict[str, list[str]]:
    """Rows of the comparison, by section and name."""
    rows = chrome.find_elements(By.CSS_SELECTOR, "#comparison [data-row]")
    cells = [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "td")] for row in rows]
    return {row.get_attribute("data-row") or "": texts for row, texts in zip(rows, cells, strict=True)}


def check_comparison(member: Member, first: Made, second: Made) -> None:
    wait_for_address(member.chrome, "/compare")
    shown = member.chrome.find_elements(By.CSS_SELECTOR, "[data-compared]")
    columns = [one.get_attribute("data-compared") for one in shown]
    assert {*columns} == {first.id, second.id}
    by_id = {first.id: first, second.id: second}
    found = differences(member.chrome)
    for place, job in enumerate(by_id[column or ""] for column in columns):
        assert found["job.name"][place] == job.name
        assert found["result.parameter_bytes_after"][place] == size_text(job.memory)
    assert found.keys() >= {"spec.budget.max_accuracy_drop", "result.accuracy_drop"}
    assert "inputs.checkpoint" not in found  # what is the same is left out


def two(team: BusyTeam) -> tuple[Made, Made]:
    """Two jobs of one checkpoint that differ in their budgets, on different pages of the list."""
    ours = [one for one in team.jobs if one.checkpoint == CHECKPOINT]
    early = ours[0]
    return early, next(one for one in reversed(ours) if one.drop > 0.03 > early.drop)


def test_what_changed_between_two_jobs_far_apart_is_told_beside_each_other(member: Member, team: BusyTeam) -> None:
    chrome, (first, second) = member.chrome, two(team)
    search_and_tick(member, first)
    search_and_tick(member, second)
    assert in_view(chrome, find(chrome, "[data-least='2']"))
    member.click(find(chrome, "[data-least='2']"))
    check_comparison(member, first, second)
    member.told("what changed", 5)


def test_it_is_told_from_the_page_of_one_of_them_too(member: Member, site: Site, team: BusyTeam) -> None:
    chrome, (first, second) = member.chrome, two(team)
    chrome.get(f"{site.address}/jobs/{first.id}")
    member.click(find(chrome, "[data-choose]"))
    WebDriverWait(chrome, SECONDS).until(lambda page: page.find_elements(By.ID, "q"))
    search_and_tick(member, second)
    member.click(find(chrome, "[data-least='2']"))
    check_comparison(member, first, second)
    member.told("what changed, from a job", 4)
    chrome.get(f"{site.address}/")
    assert not chrome.find_elements(By.CSS_SELECTOR, "input[name=job]:checked, input[type=hidden][name=job]")


def test_results_are_compared_where_they_are_listed(member: Member, site: Site, team: BusyTeam) -> None:
    chrome = member.chrome
    chrome.get(f"{site.address}/results?checkpoint_id={team.checkpoints[CHECKPOINT]}&within=2")
    for box in chrome.find_elements(By.CSS_SELECTOR, "tr[data-result] input[name=job]")[:2]:
        member.click(box)
    member.click(find(chrome, "[data-least='2']"))
    wait_for_address(chrome, "/compare")
    assert len(chrome.find_elements(By.CSS_SELECTOR, "[data-compared]")) == 2


def test_who_ran_a_job_and_how_it_is_run_again_stand_on_its_page(member: Member, team: BusyTeam) -> None:
    chrome, (job, _) = member.chrome, two(team)
    member.type("#q", job.name)
    wait_for_search(chrome, job.name)
    row = find(chrome, f"tr[data-job={job.id}] [data-submitter]")
    assert row.get_attribute("data-submitter") == job.submitter  # the list tells already
    member.click(find(chrome, f"#link-{job.id}"))
    who = find(chrome, "p.under [data-submitter]")
    assert who.text == job.submitter
    assert in_view(chrome, who)
    member.click(find(chrome, "a[href='#identity']"))
    command = find(chrome, "#command")
    WebDriverWait(chrome, SECONDS).until(lambda page: in_view(page, command))
    words = shlex.split(command.text)
    assert words[:4] == ["primesvt", "submit", CHECKPOINT, "--data"]
    assert words[-2:] == ["--name", job.name]
    assert re.search(r"--max-accuracy-drop 0\.\d+", command.text)
    member.told("who, and how again", 3)
