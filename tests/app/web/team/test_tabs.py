"""The pages of a team, as viewers, members, admins and keys see them."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from app.teams.scopes import Role, Scope
from app.web.team import ROUTERS
from app.webhooks.states import EventType
from tests.support.browsing import forms_of, get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import World
from tests.support.people import person, signed_in

HOSTILE = '<img src=x onerror="alert(1)">&</script><script>alert(2)</script>'


TABS = {
    "/team/members": Scope.TEAM_READ,
    "/team/keys": Scope.TEAM_ADMIN,
    "/team/webhooks": Scope.WEBHOOKS_READ,
    "/team/usage": Scope.TEAM_READ,
    "/team/audit": Scope.TEAM_ADMIN,
    "/team/settings": Scope.TEAM_ADMIN,
}


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
        assert forms_of(text) == set(), address
        assert 'href="/new' not in text, address
    for address in ("/team/members", "/team/webhooks", f"/team/webhooks/{hook}"):
        assert forms_of(get(board, member, address).text) == set(), address
    assert forms_of(get(board, member, f"/jobs/{queued.id}").text) == {
        f"/jobs/{queued.id}/cancel", f"/jobs/{queued.id}/priority", f"/jobs/{queued.id}/notes",
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
