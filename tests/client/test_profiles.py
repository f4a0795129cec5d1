"""Servers by name: a file that nobody else may read, and a key that goes to its own server alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from primesvt_client import Client, Unusable
from primesvt_client.profiles import (
    FILE_VARIABLE,
    Profile,
    check_name,
    find_profile,
    profiles_file,
    read_profiles,
    write_profiles,
)

LAB = Profile(server="https://lab.example.org", api_key="psvt_lab")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "of-mine" / "profiles.toml"
    write_profiles(path, {"lab": LAB, "home": Profile(server="http://127.0.0.1:8000", api_key='a"b\\c')})
    return path


def test_what_is_written_is_read_and_only_the_user_can(file: Path) -> None:
    assert find_profile("lab", file) == LAB
    assert find_profile("home", file).api_key == 'a"b\\c'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["profiles.toml"]
    assert "psvt" not in repr(LAB)


def test_a_client_of_a_profile_talks_to_its_server(file: Path) -> None:
    with Client.of_profile("lab", path=file) as client:
        assert client._connection.server == LAB.server


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_may_read_or_change_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(Unusable, match=f"chmod 600 {file}"):
        read_profiles(file)


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(Unusable, match="another user"):
        read_profiles(file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("api_key = 'psvt_x'\n[", "no TOML"), ("lab = 'psvt_x'", "is no profile"),
        ("[lab]\nserver = 'x'", "lacks api_key"),
        ("[lab]\nserver = 'x'\napi_key = 'psvt_x'\nproxy = 'y'", "has proxy"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_without_a_key(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(Unusable, match=told) as refused:
        read_profiles(file)
    assert "psvt_x" not in refused.value.message


def test_a_profile_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(Unusable, match="there are: home, lab"):
        find_profile("labs", file)
    with pytest.raises(Unusable, match="there is none yet"):
        find_profile("lab", file.with_name("other.toml"))
    with pytest.raises(Unusable, match="no name of a profile"):
        check_name("a b")


def test_the_file_is_where_variables_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert profiles_file() == tmp_path / "primesvt" / "profiles.toml"
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "p.toml"))
    assert profiles_file() == tmp_path / "p.toml"
