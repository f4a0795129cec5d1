"""Users of children: one for each, and what becomes theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker import users

root_alone = pytest.mark.skipif(not users.is_root(), reason="only root can give files away")


@root_alone
def test_no_two_children_have_one_user_and_it_is_free_again_afterwards(tmp_path: Path) -> None:
    with users.own_user(tmp_path) as first:
        with users.own_user(tmp_path) as second:
            assert first is not None
            assert second is not None
            assert first != second
        with users.own_user(tmp_path) as third:
            assert third == second
    assert {first, second} <= {*users.USERS}


def test_children_of_an_ordinary_user_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with users.own_user(tmp_path / "locks") as user:
        assert user is None
    assert not (tmp_path / "locks").exists()


@root_alone
def test_a_folder_is_given_with_what_lies_in_it_but_not_what_links_lead_to(tmp_path: Path) -> None:
    given, kept = tmp_path / "given", tmp_path / "kept"
    (given / "deep").mkdir(parents=True)
    (given / "deep" / "file").write_text("x")
    kept.mkdir()
    (kept / "secret").write_text("x")
    (given / "link").symlink_to(kept / "secret")
    (given / "folder").symlink_to(kept)
    (given / "second name").hardlink_to(kept / "secret")
    assert users.give([given], users.USERS.start)
    owners = {path.name: path.stat().st_uid for path in (given, given / "deep", given / "deep" / "file", kept)}
    assert owners == {"given": users.USERS.start, "deep": users.USERS.start, "file": users.USERS.start, "kept": 0}
    assert (kept / "secret").stat().st_uid == 0


def test_where_a_folder_cannot_be_given_the_child_keeps_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_given: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    assert not users.give([tmp_path], users.USERS.start)
