"""Which server a command talks to; a key is never sent to another one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from primesvt_client.commands import jobs
from primesvt_client.commands.api_options import Key, Server
from primesvt_client.commands.profiles import commands
from primesvt_client.commands.serving_options import on_server
from primesvt_client.errors import ReportedError
from primesvt_client.profiles import FILE_VARIABLE, Profile, read_profiles, write_profiles

LAB = Profile(server="https://lab", api_key="psvt_lab")
CHOSEN: list[tuple[str, str]] = []


@on_server
def ask(server: Server = "http://default", api_key: Key = "") -> None:
    CHOSEN.append((server, api_key))


def asked(*words: str, **variables: str) -> tuple[str, str]:
    """The server and the key that the command gets."""
    app = typer.Typer()
    app.command()(ask)
    CHOSEN.clear()
    done = CliRunner().invoke(app, list(words), env=variables)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return CHOSEN[0]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SERVER", "API_KEY", "PROFILE"):
        monkeypatch.delenv(f"PRIMESVT_{name}", raising=False)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "p.toml"))
    write_profiles(tmp_path / "p.toml", {"lab": LAB})
    return tmp_path / "p.toml"


def test_a_profile_has_both() -> None:
    assert asked("--profile", "lab") == asked(PRIMESVT_PROFILE="lab") == (LAB.server, LAB.api_key)
    assert asked() == ("http://default", "")


def test_both_names_are_the_option_and_a_spec_keeps_its_own() -> None:
    assert asked("--server-profile", "lab") == (LAB.server, LAB.api_key)
    options = inspect.signature(jobs.submit).parameters
    assert {"profile", "server_profile"} <= options.keys()
    option = get_args(options["server_profile"].annotation)[1]
    assert (option.default, option.param_decls) == ("--server-profile", ())


def test_what_is_nearer_wins_and_what_is_as_near_is_refused() -> None:
    others = {"PRIMESVT_SERVER": "https://other", "PRIMESVT_API_KEY": "psvt_other"}
    assert asked("--profile", "lab", **others) == (LAB.server, LAB.api_key)
    server, key = asked("--server", "https://mine", PRIMESVT_PROFILE="lab")
    assert (server, key) == ("https://mine", ""), "the profile's key is not for another server"
    with pytest.raises(ReportedError, match="leave out --server and --api-key"):
        asked("--profile", "lab", "--server", "https://mine")
    with pytest.raises(ReportedError, match="PRIMESVT_PROFILE and PRIMESVT_API_KEY are set"):
        asked(PRIMESVT_PROFILE="lab", PRIMESVT_API_KEY="psvt_other")
    with pytest.raises(ReportedError, match="no profile 'labs'"):
        asked("--profile", "labs")


def test_profiles_are_added_listed_and_removed(file: Path) -> None:
    run = CliRunner()
    assert run.invoke(commands, ["add", "home", "--server", "http://h:1"], input="psvt_home\n").exit_code == 0
    assert read_profiles(file)["home"] == Profile(server="http://h:1", api_key="psvt_home")
    listed = run.invoke(commands, ["list"]).output
    assert "https://lab" in listed
    assert "psvt" not in listed
    again = run.invoke(commands, ["add", "home", "--server", "http://h:2"], input="x\n")
    assert isinstance(again.exception, ReportedError)
    assert read_profiles(file)["home"].server == "http://h:1"
    for wrong in (["add", "a b", "--server", "http://h"], ["add", "c", "--server", "nowhere"], ["remove", "x"]):
        assert isinstance(run.invoke(commands, wrong, input="psvt_k\n").exception, ReportedError)
    assert run.invoke(commands, ["remove", "home"]).exit_code == 0
    assert [*read_profiles(file)] == ["lab"]
