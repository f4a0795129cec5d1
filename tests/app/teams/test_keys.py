"""What API keys promise, on every database."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.db import now
from app.errors import (
    Conflict,
    ExpiredKey,
    InvalidKey,
    NotFound,
)
from app.teams.keys import USE_NOTED_SECONDS
from app.teams.models import AuditRow, KeyRow, LinkRow, SessionRow, UserRow
from app.teams.scopes import ALL_SCOPES, Role, Scope
from app.teams.tokens import checksum, is_well_formed, new_key
from tests.support.access import PASSWORD, Access


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


def test_keys_are_judged_together_and_each_for_itself(access: Access) -> None:
    other, revoked = (access.keys.create(access.team, name) for name in ("other", "revoked"))
    access.keys.revoke(access.team, revoked.id)
    owners = access.keys.holders([access.first.secret, other.secret, revoked.secret, "psvt_typo"])
    assert owners[other.secret] == access.keys.authenticate(other.secret)
    assert [type(owners[secret]) for secret in (revoked.secret, "psvt_typo")] == [InvalidKey, InvalidKey]
    used = {key.id: key.last_used_at for key in access.keys.all(access.team)}
    assert used[other.id] is not None
    assert used[revoked.id] is None
