"""What invitations, passwords, roles and sessions promise, on every database."""

from __future__ import annotations

import unicodedata
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import (
    Conflict,
    Invalid,
    InvalidKey,
    InvalidLink,
    LastAdmin,
    NotAMember,
    NotFound,
    WeakPassword,
    WrongPassword,
)
from app.ids import new_id
from app.teams import people
from app.teams.devices import device_token, known_device
from app.teams.invitations import join_all
from app.teams.members import lock_team
from app.teams.models import LinkRow, MemberRow, SessionRow, UserRow
from app.teams.passwords import LONGEST_NEW, hash_password
from app.teams.people import LONGEST_SUBJECT
from app.teams.scopes import ALL_SCOPES, Role
from app.teams.sessions import IDLE_SECONDS, LONGEST_SECONDS, PROOF_SECONDS, needs_proof
from tests.support.access import OTHER, PASSWORD, Access, in_the_middle
from tests.support.databases import fresh
from tests.support.servers import until


def test_an_invitation_is_used_once_and_makes_a_member(access: Access) -> None:
    link = access.invitations.invite(access.team, " Ann@Example.org".replace("Ann", access.team), Role.MEMBER)
    email = f"{access.team}@example.org"
    assert [one.email for one in access.invitations.all(access.team)] == [email]
    opened = access.invitations.look(link.token)
    assert (opened.email, opened.team, opened.is_known) == (email, "ours", False)
    with pytest.raises(WeakPassword):
        access.invitations.use(link.token, "short")
    assert access.invitations.use(link.token, PASSWORD, "Ann") == email
    [ann] = access.members.all(access.team)
    assert (ann.email, ann.name, ann.role) == (email, "Ann", Role.MEMBER)
    assert access.people.sign_in(email.upper(), PASSWORD).scopes == Role.MEMBER.scopes
    for ask in (lambda: access.invitations.look(link.token), lambda: access.invitations.use(link.token, PASSWORD)):
        with pytest.raises(InvalidLink):
            ask()
    assert access.invitations.all(access.team) == []
    assert access.actions()[-2:] == ["member.invite", "member.join"]
    with pytest.raises(Conflict, match="in the team already"):
        access.invitations.invite(access.team, email, Role.ADMIN)


def test_of_many_who_use_an_invitation_at_once_one_does(access: Access) -> None:
    link = access.invitations.invite(access.team, f"{access.team}@example.org", Role.MEMBER)

    def use(number: int) -> bool:
        try:
            access.invitations.use(link.token, f"{PASSWORD} {number}")
        except InvalidLink:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(4))) == 1
    assert len(access.members.all(access.team)) == 1


def test_who_was_removed_does_not_come_back_by_another_link(access: Access) -> None:
    email = f"ann.{access.team}@example.org"
    links = [access.invitations.invite(access.team, email, Role.ADMIN).token for _ in range(3)]
    other = access.teams.create_team("theirs").team_id
    elsewhere = access.invitations.invite(other, email, Role.MEMBER).token
    access.invitations.use(links[0], PASSWORD)
    [ann] = access.members.all(access.team)
    access.join(f"bob.{access.team}@example.org", Role.ADMIN)
    access.members.change_role(access.team, ann.user_id, Role.VIEWER)
    access.invitations.use(links[1], PASSWORD)
    assert [one.role for one in access.members.all(access.team) if one.user_id == ann.user_id] == [Role.VIEWER]
    access.members.remove(access.team, ann.user_id)
    assert access.invitations.all(access.team) == []
    with pytest.raises(InvalidLink):
        access.invitations.use(links[2], PASSWORD)
    access.invitations.use(elsewhere, PASSWORD)
    assert [one.email for one in access.members.all(other)] == [email]


def test_invitations_that_are_old_or_withdrawn_lead_nowhere(access: Access) -> None:
    old, withdrawn, fine = (access.invitations.invite(access.team, f"{n}@example.org", Role.VIEWER) for n in "abc")
    access.change(LinkRow, LinkRow.id == old.id, expires_at=now())
    access.invitations.withdraw(access.team, withdrawn.id)
    other = access.teams.create_team("theirs").team_id
    with pytest.raises(NotFound):
        access.invitations.withdraw(other, fine.id)
    for link in (old, withdrawn, replace(fine, token="guess")):
        with pytest.raises(InvalidLink):
            access.invitations.look(link.token)
    assert [one.id for one in access.invitations.all(access.team)] == [fine.id]
    with pytest.raises(Invalid):
        access.invitations.invite(access.team, "no address", Role.VIEWER)


def test_another_teams_invitation_gives_nobody_an_account_that_exists(access: Access) -> None:
    email, user = access.joined()
    theirs = access.teams.create_team("theirs").team_id
    link = access.invitations.invite(theirs, email, Role.ADMIN)
    with pytest.raises(WrongPassword):
        access.invitations.use(link.token, OTHER)
    assert access.members.all(theirs) == []
    access.invitations.use(link.token, PASSWORD)
    assert [one.user_id for one in access.members.all(theirs)] == [user]
    assert {one.team.id: one.role for one in access.members.teams_of(user)} == {
        access.team: Role.MEMBER,
        theirs: Role.ADMIN,
    }


def test_a_new_password_ends_all_sessions(access: Access) -> None:
    email, user = access.joined()
    cookie = access.sessions.open(access.people.sign_in(email, PASSWORD))
    link = access.invitations.new_password(email)
    assert access.invitations.look(link.token).team is None
    access.invitations.use(link.token, OTHER)
    with pytest.raises(WrongPassword):
        access.people.sign_in(email, PASSWORD)
    assert access.people.sign_in(email, OTHER).user_id == user
    with pytest.raises(InvalidKey):
        access.sessions.resume(cookie)
    access.people.change_password(user, OTHER, PASSWORD)
    with pytest.raises(WrongPassword):
        access.people.change_password(user, OTHER, PASSWORD)
    assert access.people.sign_in(email, PASSWORD)
    with pytest.raises(NotFound):
        access.invitations.new_password("nobody@example.org")


def test_who_is_wrong_and_who_does_not_exist_are_told_the_same(access: Access) -> None:
    email, _ = access.joined()
    messages = set()
    for address, password in ((email, OTHER), ("nobody@example.org", PASSWORD), ("no address", ""), ("", PASSWORD)):
        with pytest.raises(WrongPassword) as refused:
            access.people.sign_in(address, password)
        messages.add(refused.value.message)
    assert len(messages) == 1
    assert access.actions()[-1] == "session.refuse"


@pytest.mark.parametrize("letters", ["\u00e9\u00fc\u00f6\u00e4", "\u1f87\u1f97\u1fa7\u1faf"])
def test_the_longest_password_may_be_typed_in_the_longest_way(access: Access, letters: str) -> None:
    whole = "".join(letters[n.bit_count() % len(letters)] for n in range(LONGEST_NEW))  # repeats nothing
    typed = unicodedata.normalize("NFD", whole)
    email = f"ann.{access.team}@example.org"
    user = access.join(email, password=typed)
    for password in (typed, whole):
        assert access.people.sign_in(email, password).user_id == user
    for wrong in (typed + "x", whole + "x", typed * 2, whole[:-1]):
        with pytest.raises(WrongPassword):
            access.people.sign_in(email, wrong)
        with pytest.raises(WeakPassword):
            access.people.change_password(user, typed, wrong + typed)


def test_roles_change_what_open_sessions_may_do_at_once(access: Access) -> None:
    _, boss = access.joined(Role.ADMIN, "boss")
    email, user = access.joined()
    cookie = access.sessions.open(access.people.sign_in(email, PASSWORD))
    assert access.sessions.resume(cookie).scopes == Role.MEMBER.scopes
    access.members.change_role(access.team, user, Role.VIEWER)
    assert access.sessions.resume(cookie).scopes == Role.VIEWER.scopes
    access.members.remove(access.team, user)
    with pytest.raises(InvalidKey):
        access.sessions.resume(cookie)
    with pytest.raises(NotAMember):
        access.people.sign_in(email, PASSWORD)
    with pytest.raises(NotFound):
        access.members.remove(access.team, user)
    assert [one.user_id for one in access.members.all(access.team)] == [boss]


def test_a_team_keeps_an_admin_even_if_two_go_at_once(access: Access) -> None:
    first, second = (access.joined(Role.ADMIN, name)[1] for name in ("a", "b"))

    def leave() -> bool:
        try:
            access.members.change_role(access.team, second, Role.MEMBER)
        except LastAdmin:
            return False
        return True

    def demote(session: Session) -> None:
        lock_team(session, access.team)
        session.get_one(MemberRow, (access.team, first)).role = Role.MEMBER.value

    assert not in_the_middle(access.database, demote, leave)
    with pytest.raises(LastAdmin):
        access.members.remove(access.team, second)
    access.members.remove(access.team, first)


def test_sessions_end_when_idle_and_in_any_case(access: Access) -> None:
    email, _ = access.joined()
    cookie = access.sessions.open(access.people.sign_in(email, PASSWORD))
    ours = SessionRow.team_id == access.team
    access.change(SessionRow, ours, seen_at=now() - timedelta(seconds=IDLE_SECONDS - 5))
    assert access.sessions.resume(cookie)
    access.change(SessionRow, ours, seen_at=now() - timedelta(seconds=IDLE_SECONDS))
    with pytest.raises(InvalidKey):
        access.sessions.resume(cookie)
    access.change(SessionRow, ours, seen_at=now(), expires_at=now())
    with pytest.raises(InvalidKey):
        access.sessions.resume(cookie)
    access.change(SessionRow, ours, expires_at=now() + timedelta(seconds=LONGEST_SECONDS))
    assert access.sessions.resume(cookie)
    access.sessions.close(cookie)
    access.sessions.close("unknown")
    with pytest.raises(InvalidKey):
        access.sessions.resume(cookie)


def test_a_session_of_a_key_ends_with_the_key(access: Access) -> None:
    cookie = access.sessions.open(access.keys.authenticate(access.first.secret))
    assert access.sessions.resume(cookie).key_id == access.first.id
    access.keys.revoke(access.team, access.first.id)
    with pytest.raises(InvalidKey):
        access.sessions.resume(cookie)


def test_people_look_at_one_of_their_teams_at_a_time(access: Access) -> None:
    email, user = access.joined()
    second, third = (access.teams.create_team(name).team_id for name in ("second", "third"))
    access.join(email, Role.ADMIN, second)
    cookie = access.sessions.open(access.people.sign_in(email, PASSWORD))
    assert access.sessions.resume(cookie).team_id == access.team
    access.sessions.switch(cookie, second)
    found = access.sessions.resume(cookie)
    assert (found.team_id, found.user_id, found.scopes) == (second, user, ALL_SCOPES)
    with pytest.raises(NotFound):
        access.sessions.switch(cookie, third)


def test_two_links_of_a_new_address_used_at_once_make_one_account(access: Access) -> None:
    email = f"both.{access.team}@example.org"
    link = access.invitations.invite(access.team, email, Role.MEMBER)

    def is_refused() -> bool:
        try:
            access.invitations.use(link.token, OTHER)
        except (InvalidLink, WrongPassword):  # as it is begun after the other, or before
            return True
        return False

    assert in_the_middle(access.database, lambda session: session.add(account(email)), is_refused)
    assert access.invitations.look(link.token).is_known  # the link can be followed again


def test_somebody_who_comes_in_by_two_windows_at_once_comes_in(access: Access) -> None:
    email = f"windows.{access.team}@example.org"
    access.invitations.invite(access.team, email, Role.MEMBER)
    subject = f"https://provider {email}"

    def comes_in() -> bool:
        return access.people.proven(subject, email, "Ann").team_id == access.team

    assert in_the_middle(access.database, lambda session: session.add(account(email, subject)), comes_in)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_link_and_a_provider_that_bring_somebody_at_once_do_not_wait_for_each_other(
    is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following: list[Future[str]] = []
    with fresh("postgresql", tmp_path) as database, ThreadPoolExecutor(1) as pool:
        access = Access(database)
        email = access.joined()[0] if is_known else "ann@example.org"
        other = access.teams.create_team("other").team_id
        link = access.invitations.invite(other, email, Role.MEMBER)

        def join_while_the_link_is_followed(session: Session, user: UserRow, email: str) -> None:
            following.append(pool.submit(access.invitations.use, link.token, PASSWORD))
            until(lambda: somebody_waits(database), "the link waits for the provider")
            join_all(session, user, email)

        monkeypatch.setattr(people, "join_all", join_while_the_link_is_followed)
        access.people.proven("https://provider ann", email, "Ann")
        with pytest.raises(InvalidLink):
            following[0].result()
        assert [one.email for one in access.members.all(other)] == [email]


def somebody_waits(database: Database) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.reading() as session:
        return bool(session.scalar(text(waiting)))


def account(email: str, subject: str | None = None) -> UserRow:
    return UserRow(id=new_id("usr"), email=email, name=email, oidc_subject=subject, created_at=now())


def test_who_is_removed_takes_their_invitations_along_and_leaves_a_list_of_keys(access: Access) -> None:
    _, boss = access.joined(Role.ADMIN, "boss")
    _, ann = access.joined(Role.ADMIN)
    by_ann = access.invitations.invite(access.team, f"x.{access.team}@example.org", Role.ADMIN, created_by=ann)
    by_boss = access.invitations.invite(access.team, f"y.{access.team}@example.org", Role.VIEWER, created_by=boss)
    theirs = access.teams.create_team("theirs").team_id
    elsewhere = access.invitations.invite(theirs, f"x.{access.team}@example.org", Role.VIEWER, created_by=ann)
    live = access.keys.create(access.team, "live", created_by=ann)
    revoked = access.keys.create(access.team, "revoked", created_by=ann)
    access.keys.revoke(access.team, revoked.id)
    access.keys.create(access.team, "of the boss", created_by=boss)
    access.keys.create(theirs, "of another team", created_by=ann)
    left = access.members.remove(access.team, ann)
    assert [key.id for key in left] == [live.id]
    assert [key.id for key in access.keys.all(access.team, created_by=ann)] == [live.id, revoked.id]
    assert access.keys.authenticate(live.secret).team_id == access.team  # a program may depend on it
    assert [one.id for one in access.invitations.all(access.team)] == [by_boss.id]
    with pytest.raises(InvalidLink):
        access.invitations.use(by_ann.token, PASSWORD)
    assert access.invitations.look(elsewhere.token).team == "theirs"
    assert {"member.uninvite", "member.remove"} <= set(access.actions()[-2:])


def test_a_wrong_password_at_a_link_is_written_down_for_the_persons_own_team(access: Access) -> None:
    email, user = access.joined()
    theirs = access.teams.create_team("theirs").team_id
    link = access.invitations.invite(theirs, email, Role.ADMIN)
    with pytest.raises(WrongPassword):
        access.invitations.use(link.token, OTHER)
    [entry] = access.log.search(access.team, action="session.refuse").items
    assert (entry.subject, entry.details) == (user, {"email": email, "link": link.id})


def statements_of(database: Database, call: Any) -> list[str]:
    """What is asked of the database, without the values."""
    asked: list[str] = []

    def note(*arguments: Any) -> None:
        asked.append(arguments[2])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        with pytest.raises(WrongPassword):
            call()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return asked


def test_an_address_that_nobody_has_costs_the_database_as_much_as_a_wrong_password(access: Access) -> None:
    email, _ = access.joined()
    known = statements_of(access.database, lambda: access.people.sign_in(email, OTHER))
    unknown = statements_of(access.database, lambda: access.people.sign_in("nobody@example.org", OTHER))
    assert known == unknown
    assert any(statement.startswith("INSERT INTO audit_log") for statement in unknown)
    with access.database.session() as session:
        kept = session.execute(text("SELECT details FROM audit_log WHERE subject = 'nobody'")).scalars().all()
    assert kept
    assert "nobody@example.org" not in str(kept)


def test_a_browser_is_known_until_the_password_changes(access: Access) -> None:
    email, user = access.joined()
    other, _ = access.joined(name="bob")
    token = access.people.device_token(user)
    assert token is not None
    name = access.people.known_device(email.upper(), token)
    assert name == token.partition(".")[0]
    for address, guess in ((other, token), (email, "x.y"), (email, f"{name}."), (email, ""), ("no address", token)):
        assert access.people.known_device(address, guess) is None
    access.people.change_password(user, PASSWORD, OTHER)
    assert access.people.known_device(email, token) is None
    nobody = UserRow(id="usr_1", email="a@example.org", password_hash=None)
    assert device_token(nobody) is known_device(nobody, token) is None


def test_two_that_a_provider_calls_almost_alike_stay_two(access: Access) -> None:
    begin = "https://id.example.org/" + "x" * LONGEST_SUBJECT
    found = []
    for name, end in (("ann", "1"), ("bob", "2")):
        email = f"{name}.{access.team}@example.org"
        access.invitations.invite(access.team, email, Role.MEMBER)
        found.append(access.people.proven(begin + end, email, name).user_id)
    assert found[0] != found[1]
    again = [access.people.proven(begin + end, f"{access.team}@example.org", "").user_id for end in "12"]
    assert again == found


def test_a_subject_that_was_cut_is_its_owners_still(access: Access) -> None:
    email, user = access.joined()
    subject = "https://id.example.org/" + "y" * LONGEST_SUBJECT
    access.change(UserRow, UserRow.id == user, oidc_subject=subject[:LONGEST_SUBJECT], password_hash=None)
    assert access.people.proven(subject, email, "Ann").user_id == user
    with access.database.session() as session:
        assert session.get_one(UserRow, user).oidc_subject == people.kept_subject(subject)


def test_sessions_are_listed_with_where_they_are_and_ended_one_by_one(access: Access) -> None:
    email, user = access.joined()
    who = access.people.sign_in(email, PASSWORD)
    here, there = access.sessions.open(who, "Firefox\x1b[2J"), access.sessions.open(who, "Chrome")
    gone = access.sessions.open(who)
    access.sessions.close(gone)
    other, other_user = access.joined(name="bob")
    listed = access.sessions.all(user)
    assert [one.agent for one in listed] == ["Chrome", "Firefox[2J"]
    with pytest.raises(NotFound):
        access.sessions.close_one(other_user, listed[0].id)
    access.sessions.close_one(user, listed[0].id)
    with pytest.raises(InvalidKey):
        access.sessions.resume(there)
    assert access.sessions.resume(here).session_id == listed[1].id
    assert [one.id for one in access.sessions.all(user)] == [listed[1].id]
    assert access.actions()[-1] == "session.close"
    assert access.people.sign_in(other, PASSWORD)


def test_a_session_proves_who_has_it_for_a_while_only(access: Access) -> None:
    email, _ = access.joined(Role.ADMIN)
    who = access.people.sign_in(email, PASSWORD)
    cookie = access.sessions.open(who)
    session_id = access.sessions.resume(cookie).session_id
    assert not needs_proof(access.sessions.resume(cookie))
    long_ago = now() - timedelta(seconds=PROOF_SECONDS)
    for values in (
        {"proven_at": long_ago},
        {"proven_at": None, "created_at": long_ago},
    ):  # the second of an old process
        access.change(SessionRow, SessionRow.id == session_id, **values)
        assert needs_proof(access.sessions.resume(cookie))
    access.sessions.prove(str(session_id))
    assert not needs_proof(access.sessions.resume(cookie))
    assert needs_proof(access.sessions.resume(access.sessions.open(who, is_proven=False)))
    assert not needs_proof(access.keys.authenticate(access.first.secret))  # every request carries the proof


def test_spaces_do_not_make_a_password_long_and_long_ones_of_before_go_on(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    for weak in ("five" + " " * 20 + "green", "x1y2z3 " * 30):
        with pytest.raises(WeakPassword, match="12 to 128 characters"):
            hash_password(weak, "ann@example.org")
    long = "five green boxes fly " * 9
    monkeypatch.setattr("app.teams.passwords.LONGEST_NEW", 200)
    email = f"long.{access.team}@example.org"
    user = access.join(email, password=long)
    monkeypatch.undo()
    assert access.people.sign_in(email, long).user_id == user
    with pytest.raises(WrongPassword):
        access.people.sign_in(email, long[:-1])
