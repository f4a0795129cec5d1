"""The pages of a team, as viewers, members, admins and keys see them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from app.db import now
from app.errors import InvalidKey
from app.jobs.models import UsageRow
from app.teams.quotas import Quotas
from app.teams.scopes import Role, Scope
from app.usage.quotas import Usage
from app.web.team import ROUTERS, usage
from app.web.words import ACTIONS, EVENTS, ROLES, SCOPES
from app.webhooks.states import DeliveryState, EventType
from primesvt_client.spec import LARGEST
from tests.support.browsing import get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import World, joined
from tests.support.people import person, signed_in

HOSTILE = '<img src=x onerror="alert(1)">&</script><script>alert(2)</script>'
APP = Path(__file__).resolve().parents[3]
TABS = {
    "/team/members": Scope.TEAM_READ,
    "/team/keys": Scope.TEAM_ADMIN,
    "/team/webhooks": Scope.WEBHOOKS_READ,
    "/team/usage": Scope.TEAM_READ,
    "/team/audit": Scope.TEAM_ADMIN,
    "/team/settings": Scope.TEAM_ADMIN,
}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def once(page: str) -> str:
    """The secret that a page shows this once."""
    found = re.search(r'id="secret" readonly value="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


def forms(page: str) -> set[str]:
    """Where the forms of a page lead, the way out and one's own teams aside."""
    return set(re.findall(r'<form method="post" action="([^"]+)"', page)) - {"/sign-out"}


# Who sees what


@pytest.mark.parametrize("role", [*Role])
def test_everybody_sees_the_tabs_that_they_may_open(board: Dashboard, role: Role) -> None:
    who = person(board, board.team(), role)
    assert get(board, who, "/team").headers["location"] == "/team/members"
    shown = get(board, who, "/team/members").text
    for address, scope in TABS.items():
        may = scope in role.scopes
        assert (f'href="{address}"' in shown) is may, address
        assert get(board, who, address).status_code == (200 if may else 403), address


def test_a_key_sees_what_its_scopes_allow(board: Dashboard) -> None:
    team = board.team()

    def holder(*scopes: Scope) -> Team:
        secret = board.services.keys.create(team.id, "narrow", scopes).secret
        return signed_in(board, team, board.services.keys.authenticate(secret))

    assert get(board, holder(Scope.WEBHOOKS_READ), "/team").headers["location"] == "/team/webhooks"
    assert get(board, holder(Scope.JOBS_READ), "/team").status_code == 403


def test_who_may_not_change_anything_is_offered_nothing(board: Dashboard) -> None:
    team = board.team()
    world = World(board, team)
    world.invitation()
    hook = world.webhook()
    queued, finished = board.queued(team), board.succeeded(team)
    board.services.jobs.cancel(team.id, world.queued_job())
    pages = ["/", "/uploads", "/results", "/workers", "/team/members", "/team/usage"]
    pages += [f"/jobs/{job.id}" for job in (queued, finished)]
    viewer, member = (person(board, team, role) for role in (Role.VIEWER, Role.MEMBER))
    for address in pages:
        text = get(board, viewer, address).text
        assert forms(text) == set(), address
        assert 'href="/new' not in text, address
    for address in ("/team/members", "/team/webhooks", f"/team/webhooks/{hook}"):
        assert forms(get(board, member, address).text) == set(), address
    assert forms(get(board, member, f"/jobs/{queued.id}").text) == {
        f"/jobs/{queued.id}/cancel", f"/jobs/{queued.id}/priority",
    }  # fmt: skip


def writes(world: World) -> dict[str, dict[str, str]]:
    """Every form of the team's pages, for the things of a world."""
    hook, key, member = world.webhook(), world.key(), world.member()
    message = world.board.services.webhooks.ping(world.team.id, hook).id
    return {
        "/team/members/invite": {"email": "new@example.org", "role": "viewer"},
        f"/team/members/invitations/{world.invitation()}/withdraw": {},
        f"/team/members/{member}/role": {"role": "viewer"},
        f"/team/members/{member}/remove": {},
        "/team/keys": {"name": "new", "scopes": "jobs:read"},
        f"/team/keys/{key}/rotate": {"hours": "1"},
        f"/team/keys/{key}/revoke": {},
        "/team/settings": {"name": "renamed"},
        "/team/webhooks": {"url": "https://example.org/new", "events": "job.failed"},
        f"/team/webhooks/{hook}/change": {"url": "https://example.org/other", "events": "job.failed"},
        f"/team/webhooks/{hook}/switch": {"on": "false"},
        f"/team/webhooks/{hook}/rotate": {},
        f"/team/webhooks/{hook}/ping": {},
        f"/team/webhooks/{hook}/replay": {},
        f"/team/webhooks/{hook}/deliveries/{message}/replay": {},
        f"/team/webhooks/{hook}/delete": {},
    }


def test_every_form_is_refused_to_who_may_not_send_it(board: Dashboard) -> None:
    team = board.team()
    forms_of_team = writes(World(board, team))
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    known = {template(route.path) for route in routes if "POST" in (route.methods or ())}
    assert {template(address) for address in forms_of_team} == known
    strangers = person(board, board.team("strangers"), Role.ADMIN, "stranger@example.org")
    viewer, member, admin = (person(board, team, role) for role in Role)
    before = len(board.services.audit.search(team.id, limit=200).items)
    for address, fields in forms_of_team.items():
        assert post(board, viewer, address, fields).status_code == 403, address
        assert post(board, member, address, fields).status_code == 403, address
        assert post(board, admin, address, fields, is_ours=False).status_code == 403, address
        assert post(board, None, address, fields).status_code == 303, address
        if "_" in address:  # it names a thing
            assert post(board, strangers, address, fields).status_code == 404, address
    assert len(board.services.audit.search(team.id, limit=200).items) == before


def template(path: str) -> str:
    return re.sub(r"\{\w+\}|[a-z]+_[0-9a-z]{26}", "*", path)


def test_what_people_wrote_is_escaped_on_every_page(board: Dashboard) -> None:
    team = board.team(HOSTILE)
    services = board.services
    joined_ = services.invitations.invite(team.id, "h@example.org", Role.ADMIN)
    services.invitations.use(joined_.token, "seven brown foxes jump", HOSTILE)
    services.keys.create(team.id, HOSTILE)
    hook = services.webhooks.create(team.id, "https://example.org/?<b>", [EventType.JOB_FAILED], HOSTILE).webhook
    board.succeeded(team, HOSTILE)
    board.queued(team, HOSTILE)
    for address in (*TABS, f"/team/webhooks/{hook.id}", "/account", "/results", "/workers"):
        text = get(board, team, address).text
        assert "<img" not in text, address
        assert "<script>" not in text, address


# Members


def test_an_invitation_is_shown_once_and_leads_into_the_team(board: Dashboard) -> None:
    admin = person(board, board.team(), Role.ADMIN)
    made = post(board, admin, "/team/members/invite", {"email": "New@Example.org", "role": "member"})
    link = once(made.text)
    assert link.startswith("http://server/join/")
    assert made.headers["cache-control"] == "no-store"
    assert get(board, None, link).status_code == 200
    listed = get(board, admin, "/team/members").text
    assert "new@example.org" in listed
    assert "/join/" not in listed
    [invitation] = board.services.invitations.all(admin.id)
    post(board, admin, f"/team/members/invitations/{invitation.id}/withdraw")
    assert get(board, None, link).status_code == 404
    assert "Invited, not joined" not in get(board, admin, "/team/members").text


@pytest.mark.parametrize(
    ("email", "status", "told"), [("nonsense", 422, "no e-mail"), ("admin@example.org", 409, "already")]
)
def test_an_invitation_that_can_not_be_is_told(board: Dashboard, email: str, status: int, told: str) -> None:
    admin = person(board, board.team(), Role.ADMIN)
    refused = post(board, admin, "/team/members/invite", {"email": email, "role": "member"})
    assert refused.status_code == status
    assert told in refused.text
    assert f'value="{email}"' in refused.text


def test_roles_change_and_members_go_but_an_admin_stays(board: Dashboard) -> None:
    team = board.team()
    admin = person(board, team, Role.ADMIN)
    other = joined(board, team.id, Role.MEMBER, "other@example.org")
    me = next(one.user_id for one in board.services.members.all(team.id) if one.email == "admin@example.org")
    for form in ("role", "remove"):
        refused = post(board, admin, f"/team/members/{me}/{form}", {"role": "viewer"})
        assert refused.status_code == 409
        assert "last admin" in refused.text
    assert f"/team/members/{me}/remove" not in get(board, admin, "/team/members").text
    post(board, admin, f"/team/members/{other}/role", {"role": "admin"})
    assert f"/team/members/{me}/remove" in get(board, admin, "/team/members").text
    post(board, admin, f"/team/members/{other}/remove")
    assert [one.email for one in board.services.members.all(team.id)] == ["admin@example.org"]


def test_nobody_hands_on_more_than_they_have(board: Dashboard) -> None:
    team = board.team()
    secret = board.services.keys.create(team.id, "narrow", {Scope.TEAM_ADMIN, Scope.TEAM_READ}).secret
    narrow = signed_in(board, team, board.services.keys.authenticate(secret))
    wide, viewer = World(board, team).key(), joined(board, team.id, Role.VIEWER)
    for address, fields in (
        ("/team/members/invite", {"email": "a@example.org", "role": "admin"}),
        (f"/team/members/{viewer}/role", {"role": "member"}),
        ("/team/keys", {"name": "a", "scopes": "jobs:write"}),
        (f"/team/keys/{wide}/rotate", {"hours": "0"}),
    ):
        assert post(board, narrow, address, fields).status_code == 403, address
    assert 'value="jobs:write"' not in get(board, narrow, "/team/keys").text


# Keys


def test_a_key_is_made_rotated_and_revoked(board: Dashboard) -> None:
    team = board.team()
    admin = person(board, team, Role.ADMIN)
    fields = {"name": " cluster ", "scopes": "jobs:read", "days": "30"}
    made = post(board, admin, "/team/keys", fields)
    secret = once(made.text)
    key = board.services.keys.authenticate(secret)
    assert key.scopes == {Scope.JOBS_READ}
    kept = board.services.keys.get(team.id, key.key_id or "")
    assert kept.name == "cluster"
    assert kept.expires_at is not None
    assert abs(kept.expires_at - now() - timedelta(days=30)) < timedelta(minutes=1)
    listed = get(board, admin, "/team/keys").text
    assert secret not in listed
    assert secret[: len("psvt_") + 26] in listed
    assert "by admin@example.org" in listed
    rotated = once(post(board, admin, f"/team/keys/{kept.id}/rotate", {"hours": "24"}).text)
    assert board.services.keys.authenticate(rotated).scopes == board.services.keys.authenticate(secret).scopes
    again = post(board, admin, f"/team/keys/{kept.id}/rotate", {"hours": "24"})
    assert again.status_code == 409
    assert "rotated already" in again.text
    assert post(board, admin, f"/team/keys/{kept.id}/revoke").headers["location"] == "/team/keys"
    with pytest.raises(InvalidKey):
        board.services.keys.authenticate(secret)


def test_a_key_without_name_or_scope_is_not_made(board: Dashboard) -> None:
    team = board.team()
    for fields in ({"name": "a"}, {"name": " ", "scopes": "jobs:read"}):
        refused = post(board, team, "/team/keys", fields)
        assert refused.status_code == 422
        assert "choose what" in refused.text
    assert len(board.services.keys.all(team.id)) == 1


def test_revoking_the_key_that_one_is_signed_in_with_signs_out(board: Dashboard) -> None:
    team = board.team()
    [key] = board.services.keys.all(team.id)
    assert "You are signed out" in get(board, team, "/team/keys").text
    post(board, team, f"/team/keys/{key.id}/revoke")
    assert get(board, team, "/team/keys").status_code == 303


# Webhooks


def test_a_webhook_is_added_changed_tried_and_deleted(board: Dashboard) -> None:
    team = board.team()
    fields = {"url": "https://example.org/hook", "description": "chat", "events": "job.failed"}
    assert once(post(board, team, "/team/webhooks", fields).text).startswith("whsec_")
    [hook] = board.services.webhooks.all(team.id)
    at = f"/team/webhooks/{hook.id}"
    assert "No messages yet" in get(board, team, at).text
    post(board, team, f"{at}/change", {**fields, "url": "https://example.org/new", "events": "upload.ready"})
    changed = board.services.webhooks.get(team.id, hook.id)
    assert (changed.url, changed.events) == ("https://example.org/new", (EventType.UPLOAD_READY,))
    assert post(board, team, f"{at}/ping").headers["location"] == at
    [message] = board.services.webhooks.deliveries(team.id, hook.id).items
    page = get(board, team, at).text
    assert message.id in page
    assert "On its way" in page
    rows = get(board, team, f"{at}?state=failed", {"HX-Request": "true"}).text
    assert "<html" not in rows
    assert "No message fits" in rows
    assert message.body in html.unescape(get(board, team, f"{at}/deliveries/{message.id}").text)
    assert once(post(board, team, f"{at}/rotate").text).startswith("whsec_")
    post(board, team, f"{at}/switch", {"on": "false"})
    refused = post(board, team, f"{at}/ping")
    assert refused.status_code == 409
    assert "enable it first" in refused.text
    assert post(board, team, f"{at}/delete").headers["location"] == "/team/webhooks"
    assert board.services.webhooks.all(team.id) == []


def test_failed_messages_are_sent_again_one_by_one_and_together(board: Dashboard) -> None:
    team = board.team()
    ids = World(board, team).failed_delivery()
    hook, message = ids["webhook_id"], ids["delivery_id"]
    one = f"/team/webhooks/{hook}/deliveries/{message}"

    def state() -> DeliveryState:
        return board.services.webhooks.delivery(team.id, hook, message).state

    assert f"{one}/replay" in forms(get(board, team, one).text)
    assert post(board, team, f"{one}/replay").headers["location"] == one
    assert state() is DeliveryState.PENDING
    assert f"{one}/replay" not in forms(get(board, team, one).text)
    refused = post(board, team, f"{one}/replay")
    assert refused.status_code == 409
    assert "sent anyway" in refused.text
    ids = World(board, team).failed_delivery()
    hook, message = ids["webhook_id"], ids["delivery_id"]
    assert state() is DeliveryState.FAILED
    post(board, team, f"/team/webhooks/{hook}/replay")
    assert state() is DeliveryState.PENDING


@pytest.mark.parametrize(
    "fields", [{"url": "https://127.0.0.1/", "events": "job.failed"}, {"url": "https://example.org/"}]
)
def test_a_webhook_that_may_not_be_is_told_and_what_was_typed_stays(board: Dashboard, fields: dict[str, str]) -> None:
    team = board.team()
    refused = post(board, team, "/team/webhooks", fields)
    assert refused.status_code == 422
    assert f'value="{fields["url"]}"' in refused.text
    assert "No webhooks yet" in refused.text


# Usage, audit log, settings


def test_bars_say_how_much_is_used_and_warn_in_time() -> None:
    used = Usage(storage_bytes=95 << 20, unfinished_jobs=3, gpu_minutes=30.0, since=now())
    storage, jobs, gpu = usage.bars(used, Quotas(storage_bytes=100 << 20, unfinished_jobs=3))
    assert (storage.told, storage.tone) == ("95.0 MiB of 100.0 MiB", "nearly")
    assert (jobs.told, jobs.tone) == ("3 of 3", "full")
    assert (gpu.told, gpu.tone) == ("30 min 00 s, no limit", "")


def test_usage_shows_quotas_and_the_last_days(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, team_unfinished_jobs=2)
    team = board.team()
    assert "Nothing was computed yet" in get(board, team, "/team/usage").text
    board.queued(team)
    with board.services.database.session() as session:
        for days, seconds in ((0, 60.0), (3, 3600.0), (40, 999_999.0)):
            day = now().date() - timedelta(days=days)
            session.add(UsageRow(team_id=team.id, day=day, run_seconds=seconds, gpu_seconds=seconds / 2))
    text = get(board, team, "/team/usage").text
    assert "1 of 2" in text
    assert "1 h 01 min in all, 30 min 30 s of it on GPUs" in text
    assert text.count('class="run"') == 30
    assert text.count('class="gpu"') == 2
    board.close()


def test_usage_shows_the_largest_quotas(board: Dashboard) -> None:
    team = board.team()
    board.services.quotas.change(
        team.id, dict.fromkeys(("storage_bytes", "unfinished_jobs", "gpu_minutes", "upload_bytes"), LARGEST)
    )
    assert f"0 of {LARGEST:,}" in get(board, team, "/team/usage").text


def test_the_audit_log_is_filtered_and_goes_on_page_by_page(board: Dashboard) -> None:
    admin = person(board, board.team(), Role.ADMIN)
    for number in range(51):
        board.services.keys.create(admin.id, f"key number {number:02}")
    first = get(board, admin, "/team/audit?action=key.create").text
    assert "key number 50" in first
    assert "key number 00" not in first
    following = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = get(board, admin, html.unescape(following)).text
    assert "key number 00" in second
    assert "joined the team</td>" not in second
    assert "joined the team</td>" in get(board, admin, "/team/audit?action=member.join").text
    sheet = get(board, admin, "/api/v1/audit.csv")  # where the page's button leads
    assert sheet.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert sheet.text.count("key.create") == 52


def test_every_action_role_scope_and_event_has_words() -> None:
    written = {
        action
        for folder in ("app", "worker")
        for path in (APP / folder).rglob("*.py")
        for action in re.findall(r'audit\.record\([^"]*?"([a-z_.]+)"', path.read_text())
    }
    assert len(written) > 25
    assert written - ACTIONS.keys() == set()
    assert ACTIONS.keys() - written == set()
    assert set(Role) == ROLES.keys()
    assert set(Scope) == SCOPES.keys()
    assert set(EventType) <= EVENTS.keys()


def test_the_team_is_renamed_and_keeps_data_for_so_long(board: Dashboard) -> None:
    team = board.team()
    assert post(board, team, "/team/settings", {"name": "Vision", "retention_days": "90"}).status_code == 303
    kept = board.services.teams.get(team.id)
    assert (kept.name, kept.retention_days) == ("Vision", 90)
    assert 'value="90"' in get(board, team, "/team/settings").text
    post(board, team, "/team/settings", {"name": "Vision", "retention_days": ""})
    assert board.services.teams.get(team.id).retention_days is None
    for fields in ({"name": " "}, {"name": "x", "retention_days": "0"}, {"name": "x", "retention_days": "soon"}):
        refused = post(board, team, "/team/settings", fields)
        assert refused.status_code == 422
        assert "1 to 36,500 days" in refused.text
