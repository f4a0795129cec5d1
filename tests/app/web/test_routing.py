"""What holds for every page, also for those to come: what it reads, whom it counts, and what it makes of odd bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from app.api.cookies import SESSION_COOKIE
from app.teams.scopes import Role
from app.web.routing import LARGEST_FORM_BYTES
from tests.support.api import Api
from tests.support.browsing import BROWSER, attributes, codes, get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.databases import KINDS, fresh_url
from tests.support.matrix import PASSWORD, World, joined
from tests.support.people import signed_in
from tests.support.routes import PIECE, Known, Parameter, flooded, routes_of

BOUNDARY = "multipart/form-data; boundary=x"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pth"\r\n\r\n'
FORMS: Mapping[str, bytes] = {"application/json": b'"', "application/x-www-form-urlencoded": b"x=", BOUNDARY: FILE}
TAKING_FILES = ("/new", "/uploads")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path_factory.mktemp("board"), max_upload_bytes=10)
    yield board
    board.close()


@pytest.fixture(scope="module")
def team(board: Dashboard) -> Team:
    return board.team()


def pages(board: Dashboard) -> list[Known]:
    found = [route for route in routes_of(board) if route.is_page]
    assert len(found) > 50
    return found


# How much is read


@pytest.mark.parametrize("media", FORMS)
def test_nothing_reads_without_end_what_anonymous_clients_send(board: Dashboard, media: str) -> None:
    most = LARGEST_FORM_BYTES + len(FORMS[media]) + len(PIECE)
    for route in routes_of(board):
        read = flooded(board, route.method, route.address(), {"Content-Type": media}, FORMS[media])
        assert read.size <= most, route
        assert 0 < read.status < 500, route


def headers_of(board: Dashboard, team: Team) -> dict[str, str]:
    return {"Cookie": f"{SESSION_COOKIE}={team.session}", "X-Form-Token": board.form_token(team)}


def test_who_is_signed_in_sends_no_more_than_files_may_have(board: Dashboard, team: Team) -> None:
    headers = {**headers_of(board, team), "Content-Type": BOUNDARY}
    for method, address in (*(("POST", address) for address in TAKING_FILES), ("PUT", "/uploads/upl_0/parts/1")):
        assert flooded(board, method, address, headers, FILE).status == 411
        lie = flooded(board, method, address, {**headers, "Content-Length": "1"}, FILE)
        assert lie.status in (403, 404, 413), address  # its file comes before its token
        assert lie.size <= LARGEST_FORM_BYTES + 30 + len(FILE) + len(PIECE)


@pytest.mark.parametrize("address", ["/sign-in", *TAKING_FILES])
@pytest.mark.parametrize("length", [str(1 << 40), "1" * 5000])
def test_a_form_that_says_to_be_too_large_is_not_read(board: Dashboard, team: Team, address: str, length: str) -> None:
    headers = {**headers_of(board, team), "Content-Type": BOUNDARY, "Content-Length": length}
    read = flooded(board, "POST", address, headers, FILE)
    assert (read.size, read.status) == (0, 413)


@pytest.mark.parametrize("length", ["", "²", "-1", "1.5", "many"])
def test_a_form_of_files_says_how_long_it_is(board: Dashboard, team: Team, length: str) -> None:
    headers = {**headers_of(board, team), "Content-Type": BOUNDARY, "Content-Length": length}
    read = flooded(board, "POST", "/uploads", headers, FILE)
    assert (read.size, read.status) == (0, 411)


# Who is counted


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path, requests_per_minute=3, anonymous_requests_per_minute=1)
    board.services.limiter.clock = lambda: 1_000_000_040.0  # forty seconds of the minute are left
    yield board
    board.close()


def test_every_page_counts_anonymous_requests(counting: Dashboard) -> None:
    assert get(counting, None, "/sign-in").headers["ratelimit"] == '"stranger";r=0;t=40'
    for route in pages(counting):
        assert Api(counting, None)(route.method, route.address()).status_code == 429, route
    refused = get(counting, None, "/sign-in")
    assert codes(refused.text) == ["rate_limited"]
    assert refused.headers["retry-after"] == "40"
    assert get(counting, None, "/static/primesvt.css").status_code == 200
    assert get(counting, None, "/livez").status_code == 200


def test_pages_and_the_api_count_who_is_signed_in_together(counting: Dashboard) -> None:
    team = counting.team()
    assert get(counting, team, "/uploads").headers["ratelimit"] == '"caller";r=2;t=40'
    assert Api(counting, team).get("/jobs").headers["ratelimit"] == '"caller";r=1;t=40'
    assert get(counting, team, "/sign-in").headers["ratelimit"] == '"caller";r=0;t=40'
    assert get(counting, team, "/static/primesvt.css").status_code == 200
    assert get(counting, team, "/uploads").status_code == 429
    assert post(counting, team, "/team/keys", {"name": "a", "scopes": "jobs:read"}).status_code == 429
    assert Api(counting, team).get("/jobs").status_code == 429
    assert get(counting, counting.team("theirs"), "/uploads").status_code == 200


# What is no text


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with fresh_url(request.param, tmp_path) as url:
        board = Dashboard(tmp_path, database_url=url)
        yield World(board, board.team())
        board.close()


def things(world: World) -> dict[str, str]:
    """What is right in every page's address and form."""
    team, invitations = world.team, world.board.services.invitations
    delivery = world.delivery()
    return {
        **delivery,
        "job_id": world.queued_job(),
        "upload_id": world.open_upload(),
        "key_id": world.key(),
        "user_id": world.member(),
        "invitation_id": world.invitation(),
        "token": invitations.invite(team.id, "new@example.org", Role.MEMBER).token,
        "number": "1", "role": "viewer", "scopes": "jobs:read", "hours": "1", "on": "true", "priority": "high",
        "url": "https://example.org/x", "events": "job.failed", "name": "a name", "password": PASSWORD,
        "max_accuracy_drop": "3",
    }  # fmt: skip


UNDECLARED = {
    "/new": ("name", "priority", "submission", "policy", "excluded_groups", "checkpoint_id", "dataset_id",
             "train_dataset_id", "max_accuracy_drop"),
    "/uploads": ("kind",),
}  # fmt: skip
"""What forms with files have: the pages read it themselves."""


def written_into(route: Known) -> list[Parameter]:
    fields = UNDECLARED.get(route.path, ()) if route.method == "POST" else ()
    return [*route.parameters, *(Parameter("form", name) for name in fields)]


def asked_with(world: World, who: Team, route: Known, values: Mapping[str, str], odd: Parameter) -> httpx.Response:
    """Send what is right but for one parameter, which is U+0000."""
    path = route.address({**values, **({odd.name: "%00"} if odd.place == "path" else {})})
    form = {"form_token": world.board.form_token(who)}
    form |= {one.name: values[one.name] for one in written_into(route) if one.place == "form" and one.name in values}
    options: dict[str, object] = {} if route.method == "GET" else {"data": form}
    if odd.place == "query":
        options["params"] = {odd.name: "\0"}
    if odd.place == "form":
        options["data"] = {**form, odd.name: "\0"}
    headers = {"Cookie": f"{SESSION_COOKIE}={who.session}", "X-Form-Token": world.board.form_token(who)}
    return Api(world.board, None)(route.method, path, headers=headers, **options)


def test_no_page_stumbles_over_a_nul(world: World) -> None:
    board, job = world.board, world.board.queued(world.team)
    joined(board, world.team.id, Role.ADMIN, "admin@example.org")
    admin = board.services.people.sign_in("admin@example.org", PASSWORD)
    values = {**things(world), "checkpoint_id": job.checkpoint_id, "dataset_id": job.dataset_id}
    odd_ones = [(route, odd) for route in pages(board) for odd in written_into(route)]
    assert len(odd_ones) > 100
    for route, odd in odd_ones:
        answer = asked_with(world, signed_in(board, world.team, admin), route, values, odd)
        refused = range(400, 500) if odd.place == "path" else range(200, 500)
        assert answer.status_code in refused, (route, odd)


@pytest.mark.parametrize("address", ["/jobs/%00", "/jobs/JOB", "/new?like=%00"])
def test_what_cannot_be_an_id_is_not_found(board: Dashboard, team: Team, address: str) -> None:
    assert get(board, team, address).status_code == 404


def test_a_job_of_files_that_cannot_be_is_refused_with_its_form(board: Dashboard, team: Team) -> None:
    answer = post(board, team, "/new", {"checkpoint_id": "\0", "dataset_id": "upl_0", "max_accuracy_drop": "3"})
    assert answer.status_code == 422
    assert attributes(answer.text, "data-error") == [""]


CHARSETS = {
    "unicode_escape": b"\\ud800", "punycode": b"\xff-\xff", "idna": b"xn--" + b"a" * 80, "undefined": b"x",
    "utf-8; charset=punycode": b"\xff-\xff", "nonsense": b"x",
}  # fmt: skip


def multipart(board: Dashboard, team: Team, address: str, charset: str, value: bytes) -> httpx.Response:
    fields = {b"form_token": board.form_token(team).encode(), b"max_accuracy_drop": value, b"email": value}
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % field for field in fields.items()
    )
    headers = {**headers_of(board, team), "Content-Type": f"{BOUNDARY}; charset={charset}"}
    return Api(board, None)("POST", address, headers=headers, content=body + b"--x--\r\n")


@pytest.mark.parametrize("address", [*TAKING_FILES, "/sign-in"])
def test_forms_are_utf_8(board: Dashboard, team: Team, address: str) -> None:
    for charset, value in CHARSETS.items():
        assert multipart(board, team, address, charset, value).status_code == 415, charset
    for charset in ("utf-8", '"UTF-8"'):
        assert multipart(board, team, address, charset, b"3").status_code == 422


@pytest.mark.parametrize("origin", ["http://[", "http://]", "null", "//", "http://[::1"])
def test_a_form_from_what_is_no_address_is_not_ours(board: Dashboard, origin: str) -> None:
    team = board.team()
    for address in ("/sign-in", "/sign-out"):
        assert post(board, team, address, headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("odd", ['{"kind": "\\ud800"}', '{"\\ud800": 1}', "[" * 20_000, json.dumps({"kind": "\0"})])
def test_odd_json_is_refused_with_a_page(board: Dashboard, team: Team, odd: str) -> None:
    headers = {**headers_of(board, team), **BROWSER, "Content-Type": "application/json"}
    answer = Api(board, None)("POST", "/uploads/begin", headers=headers, content=odd)
    assert answer.status_code in (400, 422)
