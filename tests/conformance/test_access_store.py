"""What teams, keys, people, sessions and quotas promise, on every database."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.catalog.contents import begun
from app.catalog.service import CatalogService
from app.catalog.states import UploadKind
from app.db import Database, now
from app.errors import (
    Conflict,
    DomainError,
    ExpiredKey,
    GpuQuotaExceeded,
    Invalid,
    InvalidKey,
    InvalidLink,
    JobQuotaExceeded,
    LastAdmin,
    NotAMember,
    NotFound,
    StorageQuotaExceeded,
    TooLarge,
    WeakPassword,
    WrongPassword,
)
from app.jobs.models import UsageRow
from app.jobs.records import NewJob
from app.jobs.service import JobService
from app.storage import Draft
from app.teams import audit
from app.teams.audit import AuditLog
from app.teams.invitations import InvitationService
from app.teams.keys import USE_NOTED_SECONDS, KeyService
from app.teams.members import MemberService, lock_team
from app.teams.models import AuditRow, KeyRow, LinkRow, MemberRow, SessionRow, UserRow
from app.teams.people import PeopleService
from app.teams.quotas import Quotas, QuotaService, admit_upload, month_begin
from app.teams.scopes import ALL_SCOPES, Role, Scope
from app.teams.service import TeamService
from app.teams.sessions import IDLE_SECONDS, LONGEST_SECONDS, SessionService
from app.teams.tokens import checksum, is_well_formed, new_key
from tests.support.shop import HEAD_START_SECONDS, SPEC, Shop

PASSWORD, OTHER = "five green boxes fly", "six black cats wait"


class Access:
    """The services of teams over one database, and a fresh team."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keys, self.members = KeyService(database), MemberService(database)
        self.people, self.sessions = PeopleService(database), SessionService(database)
        self.invitations, self.teams = InvitationService(database), TeamService(database)
        self.quotas, self.log = QuotaService(database, Quotas(upload_bytes=1000)), AuditLog(database)
        self.first = self.teams.create_team("ours")
        self.team = self.first.team_id

    def joined(self, role: Role = Role.MEMBER, name: str = "ann", team: str = "") -> tuple[str, str]:
        """Address and id of somebody new in the team."""
        email = f"{name}.{self.team}@example.org"
        return email, self.join(email, role, team)

    def join(self, email: str, role: Role = Role.MEMBER, team: str = "", password: str = PASSWORD) -> str:
        self.invitations.use(self.invitations.invite(team or self.team, email, role).token, password)
        return next(one.user_id for one in self.members.all(team or self.team) if one.email == email)

    def change(self, table: Any, condition: Any, **values: Any) -> None:
        with self.database.session() as session:
            session.execute(update(table).where(condition).values(**values))

    def actions(self, team: str = "") -> list[str]:
        return [entry.action for entry in reversed(self.log.search(team or self.team).items)]


@pytest.fixture
def access(database: Database) -> Access:
    return Access(database)


# Keys


def test_a_key_carries_a_checksum_that_tells_typing_errors(access: Access) -> None:
    key = access.keys.create(access.team, "ci").secret
    body, _, check = key.rpartition("_")
    assert (key[:5], checksum(body)) == ("psvt_", check)
    assert access.keys.authenticate(key).team_id == access.team
    for position in range(5, len(key)):
        wrong = key[:position] + ("a" if key[position] != "a" else "b") + key[position + 1 :]
        assert not is_well_formed(wrong)
    for wrong in ("", key[:-1], key + "0", key.upper(), key + "\n", "psvt_é"):
        with pytest.raises(InvalidKey, match="mistyped"):
            access.keys.authenticate(wrong)
    with pytest.raises(InvalidKey, match="unknown"):
        access.keys.authenticate(new_key("key_" + "0" * 26))


def test_the_checksum_is_the_published_one() -> None:
    # CRC-32 of "123456789" is 0xCBF43926 = 3421780262; in base 62 by hand.
    number, digits = 0xCBF43926, []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit])
    assert checksum("123456789") == "".join(reversed(digits))


def test_keys_of_the_first_version_open_what_they_did(access: Access) -> None:
    old = "psvt_" + "aB3-_" * 8 + "xyz"
    access.change(
        KeyRow, KeyRow.id == access.first.id, secret_sha256=hashlib.sha256((old + access.team).encode()).hexdigest()
    )
    with pytest.raises(InvalidKey, match="unknown"):
        access.keys.authenticate(old)
    access.change(KeyRow, KeyRow.id == access.first.id, secret_sha256=hashlib.sha256(old.encode()).hexdigest())
    assert access.keys.authenticate(old).scopes == ALL_SCOPES
    access.keys.revoke(access.team, access.first.id)
    access.change(KeyRow, KeyRow.id == access.first.id, secret_sha256=access.first.id)  # unique over all tests


def test_a_key_does_what_its_scopes_say_until_it_expires(access: Access) -> None:
    end = now() + timedelta(seconds=60)
    key = access.keys.create(access.team, "ci", {Scope.JOBS_READ}, end)
    assert access.keys.authenticate(key.secret).scopes == {Scope.JOBS_READ}
    access.change(KeyRow, KeyRow.id == key.id, expires_at=now())
    with pytest.raises(ExpiredKey):
        access.keys.authenticate(key.secret)


def test_while_a_key_is_rotated_both_open_things(access: Access) -> None:
    key = access.keys.create(access.team, "ci", {Scope.JOBS_READ})
    successor = access.keys.rotate(access.team, key.id, 3600)
    assert successor.secret != key.secret
    for secret in (key.secret, successor.secret):
        assert access.keys.authenticate(secret).scopes == {Scope.JOBS_READ}
    old, new = access.keys.get(access.team, key.id), access.keys.get(access.team, successor.id)
    assert (new.replaces, new.name, new.expires_at) == (key.id, old.name, None)
    assert old.expires_at is not None
    assert timedelta(minutes=59) < old.expires_at - now() <= timedelta(hours=1)
    with pytest.raises(Conflict, match="rotated already"):
        access.keys.rotate(access.team, key.id, 3600)
    access.change(KeyRow, KeyRow.id == key.id, expires_at=now())
    with pytest.raises(ExpiredKey):
        access.keys.authenticate(key.secret)
    assert access.keys.authenticate(successor.secret)
    assert access.actions()[-3:] == ["key.create", "key.create", "key.rotate"]


def test_rotating_never_lets_a_key_live_longer(access: Access) -> None:
    end = now() + timedelta(seconds=10)
    key = access.keys.create(access.team, "ci", {Scope.JOBS_READ}, end)
    successor = access.keys.rotate(access.team, key.id, 3600)
    assert access.keys.get(access.team, key.id).expires_at == end
    assert access.keys.get(access.team, successor.id).expires_at == end
    access.keys.revoke(access.team, successor.id)
    with pytest.raises(Conflict, match="revoked"):
        access.keys.rotate(access.team, successor.id, 0)


def test_the_last_use_is_noted_once_a_minute(access: Access) -> None:
    key = access.keys.create(access.team, "ci")
    assert access.keys.get(access.team, key.id).last_used_at is None
    access.keys.authenticate(key.secret)
    noted = access.keys.get(access.team, key.id).last_used_at
    access.keys.authenticate(key.secret)
    assert access.keys.get(access.team, key.id).last_used_at == noted
    access.change(KeyRow, KeyRow.id == key.id, last_used_at=now() - timedelta(seconds=USE_NOTED_SECONDS + 1))
    access.keys.authenticate(key.secret)
    again = access.keys.get(access.team, key.id).last_used_at
    assert noted is not None
    assert again is not None
    assert again >= noted


def test_another_teams_keys_are_not_there(access: Access) -> None:
    other = access.teams.create_team("theirs").team_id
    for ask in (
        lambda: access.keys.get(other, access.first.id),
        lambda: access.keys.rotate(other, access.first.id, 0),
        lambda: access.keys.revoke(other, access.first.id),
    ):
        with pytest.raises(NotFound):
            ask()
    assert access.first.id not in [key.id for key in access.keys.all(other)]
    assert access.keys.authenticate(access.first.secret)


def test_secrets_are_nowhere_in_the_database(access: Access) -> None:
    email, user = access.joined()
    link = access.invitations.invite(access.team, "bob@example.org", Role.VIEWER)
    cookie = access.sessions.open(access.people.sign_in(email, PASSWORD))
    kept: list[Any] = []
    with access.database.session() as session:
        for table in (KeyRow, UserRow, LinkRow, SessionRow, AuditRow):
            kept += [row.__dict__ for row in session.scalars(select(table))]
    for secret in (access.first.secret, PASSWORD, link.token, cookie):
        assert secret not in str(kept)
    assert user in str(kept)


# People


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
    told = set()
    for address, password in ((email, OTHER), ("nobody@example.org", PASSWORD), ("no address", ""), ("", PASSWORD)):
        with pytest.raises(WrongPassword) as refused:
            access.people.sign_in(address, password)
        told.add(refused.value.message)
    assert len(told) == 1
    assert access.actions()[-1] == "session.refuse"


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


def in_the_middle(database: Database, first: Callable[[Session], object], second: Callable[[], bool]) -> bool:
    """What comes of ``second``, begun while the transaction of ``first`` has not been committed."""
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            first(session)
            session.flush()
            asked = pool.submit(second)
            wait([asked], timeout=HEAD_START_SECONDS)
        return asked.result()


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


# Sessions


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


# Quotas


@pytest.fixture
def catalog(database: Database, shop: Shop) -> CatalogService:
    return CatalogService(database, shop.store, shop.bell, shop.settings.model_copy(update={"max_upload_bytes": 1000}))


def announce(catalog: CatalogService, team: str, size: int) -> bool:
    try:
        catalog.create(team, UploadKind.CHECKPOINT, "a.pth", size, None)
    except StorageQuotaExceeded:
        return False
    return True


def test_what_is_stored_is_bounded(access: Access, catalog: CatalogService) -> None:
    assert announce(catalog, access.team, 1000)
    assert access.quotas.change(access.team, {"storage_bytes": 1500}).storage_bytes == 1500
    assert announce(catalog, access.team, 500)
    with pytest.raises(StorageQuotaExceeded, match=r"stores 1,500 of the 1,500 bytes.*delete uploads"):
        catalog.create(access.team, UploadKind.DATASET, "b.zip", 1, None)
    assert access.quotas.usage(access.team).storage_bytes == 1500
    first = catalog.search(access.team).items[-1]
    catalog.delete(access.team, first.id)
    assert announce(catalog, access.team, 1000)
    assert access.quotas.change(access.team, {"storage_bytes": None}).storage_bytes is None
    assert announce(catalog, access.team, 1000)


def test_an_upload_waits_for_another_that_is_being_announced(access: Access, catalog: CatalogService) -> None:
    limits = access.quotas.change(access.team, {"storage_bytes": 1000})
    assert announce(catalog, access.team, 400)

    def begin(session: Session) -> None:
        admit_upload(session, access.team, 400, limits)
        session.add(begun(access.team, Draft("uploads/unfinished", "token"), 400))

    assert not in_the_middle(access.database, begin, lambda: announce(catalog, access.team, 400))
    assert access.quotas.usage(access.team).storage_bytes == 800


def test_one_upload_is_bounded_by_team_and_server(access: Access, catalog: CatalogService) -> None:
    access.quotas.change(access.team, {"upload_bytes": 10})
    with pytest.raises(TooLarge, match="11 bytes are more than one upload may have"):
        catalog.create(access.team, UploadKind.CHECKPOINT, "a.pth", 11, None)
    assert access.quotas.change(access.team, {"upload_bytes": 5000}).upload_bytes == 1000
    with pytest.raises(TooLarge):
        catalog.create(access.team, UploadKind.CHECKPOINT, "a.pth", 1001, None)


def test_unfinished_jobs_are_bounded(access: Access, shop: Shop) -> None:
    jobs = JobService(shop.database, shop.store, shop.bell, Quotas(unfinished_jobs=2))
    first = shop.queued()
    shop.jobs.cancel(shop.team, first.id)
    asked = replace(same_again(shop, first.id), name="again")

    def submit(_: int) -> str | None:
        try:
            return jobs.submit(shop.team, asked).id
        except JobQuotaExceeded:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [job_id for job_id in pool.map(submit, range(6)) if job_id]
    assert len(made) == 2
    with pytest.raises(JobQuotaExceeded, match="has 2 unfinished jobs and may have 2; wait"):
        jobs.submit(shop.team, asked)
    shop.jobs.cancel(shop.team, made[0])
    assert submit(0)
    assert access.quotas.usage(shop.team).unfinished_jobs == 2


def test_gpu_minutes_of_a_month_are_bounded(access: Access, shop: Shop) -> None:
    jobs = JobService(shop.database, shop.store, shop.bell, Quotas(gpu_minutes=10))
    first = shop.queued()
    begin = month_begin(now()).date()
    with shop.database.session() as session:
        for day, seconds in ((begin - timedelta(days=1), 6000.0), (begin, 599.0)):
            session.add(UsageRow(team_id=shop.team, day=day, run_seconds=seconds, gpu_seconds=seconds))
    assert jobs.submit(shop.team, same_again(shop, first.id))
    assert access.quotas.usage(shop.team).gpu_minutes == pytest.approx(599 / 60)
    access.change(UsageRow, UsageRow.team_id == shop.team, gpu_seconds=600.0)
    with pytest.raises(GpuQuotaExceeded, match="used 10 of the 10 GPU minutes"):
        jobs.submit(shop.team, same_again(shop, first.id))


def test_a_request_sent_again_is_no_second_job(access: Access, shop: Shop) -> None:
    jobs = JobService(shop.database, shop.store, shop.bell, Quotas(unfinished_jobs=1))
    first = shop.queued()
    shop.jobs.cancel(shop.team, first.id)
    asked = same_again(shop, first.id)
    made = jobs.submit(shop.team, asked, "once")
    assert jobs.submit(shop.team, asked, "once").id == made.id


def same_again(shop: Shop, job_id: str) -> NewJob:
    job = shop.jobs.get(shop.team, job_id)
    return NewJob(checkpoint_id=job.checkpoint_id, dataset_id=job.dataset_id, spec=SPEC)


def test_the_servers_quotas_hold_where_a_team_has_none(access: Access) -> None:
    quotas = QuotaService(access.database, Quotas(storage_bytes=7, unfinished_jobs=3))
    assert quotas.of(access.team) == Quotas(storage_bytes=7, unfinished_jobs=3)
    assert quotas.change(access.team, {"storage_bytes": None}) == Quotas(unfinished_jobs=3)
    assert quotas.reset(access.team) == Quotas(storage_bytes=7, unfinished_jobs=3)
    assert quotas.of(access.team) == Quotas(storage_bytes=7, unfinished_jobs=3)
    with pytest.raises(NotFound):
        quotas.change("team_none", {})


# The audit log


def test_what_fails_is_not_written_down(access: Access) -> None:
    before = access.actions()
    for ask in (
        lambda: access.members.remove(access.team, "usr_none"),
        lambda: access.keys.revoke(access.team, "key_none"),
        lambda: access.invitations.invite(access.team, "no address", Role.VIEWER),
    ):
        with pytest.raises(DomainError):
            ask()
    assert access.actions() == before


def test_the_audit_log_is_read_a_page_at_a_time(access: Access) -> None:
    for number in range(5):
        access.keys.create(access.team, f"key {number}")
    page = access.log.search(access.team, limit=3)
    rest = access.log.search(access.team, page.next_cursor, 50)
    found = [*page.items, *rest.items]
    assert [entry.details.get("name") for entry in found[:5]] == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert rest.next_cursor is None
    assert {entry.action for entry in access.log.search(access.team, action="team.create").items} == {"team.create"}


def test_no_cell_of_the_exported_log_is_a_formula(access: Access, tmp_path: Path) -> None:
    hostile = ('=cmd|"/c calc"!A1', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", 'a,"b"\nc')
    for name in hostile:
        with access.database.session() as session:
            audit.note(session, access.team, "test.note", name)
    path = tmp_path / "audit.csv"
    path.write_text("".join(access.log.as_csv(access.team)), newline="")
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    subjects = [row["subject"].removeprefix("'") for row in rows if row["action"] == "test.note"]
    assert subjects == [*reversed(hostile)]
    with access.database.session() as session:
        assert len(rows) == session.scalar(select(func.count()).where(AuditRow.team_id == access.team))
