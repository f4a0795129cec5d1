"""A team's pages in a real browser."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from app.api.cookies import SESSION_COOKIE
from app.errors import InvalidKey
from app.teams.scopes import Role
from app.webhooks.states import EventType
from tests.support.chromium import (
    DESKTOP,
    PHONE,
    SECONDS,
    Site,
    find,
    look,
    needs_browser,
    wait_for_address,
    wait_for_text,
)
from tests.support.matrix import PASSWORD, joined

pytestmark = needs_browser


def test_an_admin_signs_in_with_a_password_invites_somebody_and_makes_and_revokes_a_key(
    chrome: Chrome, site: Site
) -> None:
    team = site.board.team("Run in a browser")
    joined(site.board, team.id, Role.ADMIN, "boss@example.org")
    chrome.delete_all_cookies()
    chrome.get(f"{site.address}/team/members")
    find(chrome, "#email").send_keys("boss@example.org")
    find(chrome, "#password").send_keys(PASSWORD)
    find(chrome, "main button").click()
    wait_for_address(chrome, "/team/members")
    find(chrome, "#email").send_keys("new@example.org")
    find(chrome, ".sending button").click()
    link = _shown_once(chrome)
    assert link.startswith(f"{site.address}/join/")
    find(chrome, "a[href='/team/keys']").click()
    find(chrome, "#create").click()
    find(chrome, "#name").send_keys("from the browser")
    find(chrome, "details[open] button.primary").click()
    secret = _shown_once(chrome)
    key_id = site.board.services.keys.authenticate(secret).key_id
    chrome.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": site.address},
    )
    find(chrome, "[data-copy]").click()
    wait_for_text(chrome, "[data-copy]", "Copied")
    assert chrome.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == secret
    chrome.refresh()  # asks for the list again, and makes no second key
    wait_for_text(chrome, "tbody", "from the browser")
    assert not chrome.find_elements(By.ID, "secret")
    assert len(site.board.services.keys.all(team.id)) == 2
    find(chrome, f"#revoke-{key_id}").click()
    find(chrome, f"form[action$='{key_id}/revoke'] button").click()
    WebDriverWait(chrome, SECONDS).until(lambda page: not page.find_elements(By.ID, f"revoke-{key_id}"))
    with pytest.raises(InvalidKey):
        site.board.services.keys.authenticate(secret)
    find(chrome, ".me button").click()
    wait_for_address(chrome, "/sign-in")
    chrome.get(link)
    wait_for_text(chrome, "h1", "Join Run in a browser")
    find(chrome, "#password").send_keys(PASSWORD)
    find(chrome, "main button").click()
    wait_for_text(chrome, ".me", "new@example.org")
    assert not chrome.find_elements(By.CSS_SELECTOR, "a[href='/team/keys']")


def _shown_once(chrome: Chrome) -> str:
    return find(chrome, "#secret").get_attribute("value") or ""


def test_a_change_that_somebody_is_about_to_make_is_not_refreshed_away(chrome: Chrome, site: Site) -> None:
    job = site.board.queued(site.team, "To be hurried")
    chrome.get(f"{site.address}/jobs/{job.id}")
    find(chrome, "#priority").click()
    Select(find(chrome, "#priority-choice")).select_by_value("high")
    chrome.execute_script("document.getElementById('live').dispatchEvent(new Event('refresh'))")
    assert Select(find(chrome, "#priority-choice")).first_selected_option.text == "High"
    find(chrome, "form[action$=priority] button").click()
    wait_for_text(chrome, ".facts", "High")


TEAM_PAGES = ("members", "keys", "webhooks", "usage", "audit", "settings")


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_the_teams_pages_fit_the_window_and_name_what_they_ask_for(
    chrome: Chrome, site: Site, size: tuple[int, int], scheme: str
) -> None:
    long = "x" * 60
    team = site.board.team(f"A team {long}")
    joined(site.board, team.id, Role.ADMIN, f"{long}@example.org")
    site.board.services.keys.create(team.id, long)
    events = [*EventType]
    hook = site.board.services.webhooks.create(team.id, f"https://example.org/{long}", events, long).webhook
    message = site.board.services.webhooks.ping(team.id, hook.id)
    site.board.succeeded(team, long)
    chrome.add_cookie({"name": SESSION_COOKIE, "value": team.session, "path": "/", "sameSite": "Strict"})
    look(chrome, size, scheme)
    pages = [f"/team/{page}" for page in TEAM_PAGES] + ["/results", "/workers", "/account"]
    pages += ["/account/confirm?next=/team/keys", f"/team/webhooks/{hook.id}"]
    for address in (*pages, f"/team/webhooks/{hook.id}/deliveries/{message.id}"):
        chrome.get(site.address + address)
        chrome.execute_script("document.querySelectorAll('details').forEach((part) => (part.open = true))")
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= size[0], address
        assert chrome.execute_script(NAMELESS) == [], address


NAMELESS = """
    const controls = [...document.querySelectorAll("input:not([type=hidden]), select, button, a, summary, progress")];
    const named = (one) => one.labels?.length || one.ariaLabel || one.textContent.trim();
    return controls.filter((one) => !one.hidden && !named(one)).map((one) => one.outerHTML);
"""
