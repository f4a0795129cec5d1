"""The units of ``deploy/systemd`` start commands that there are, with settings that there are, and are well closed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from app.settings import FROM_FILES, PREFIX, Settings
from release.images import ROOT
from tests.support.validators import need_program
from worker.landlock import ADD_RULE, CREATE_RULESET, RESTRICT_SELF

FOLDER = ROOT / "deploy" / "systemd"
SERVICES = tuple(sorted(path.name for path in FOLDER.glob("*.service")))
OF_PARTS = tuple(name for name in SERVICES if name != "primesvt-serve.service")
CHILDREN = ("primesvt-serve.service", "primesvt-worker@.service")
"""Units whose processes start children that compute."""

PROGRAMS = "/opt/primesvt/bin"
OURS = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}{n.upper()}_FILE" for n in FROM_FILES}
OF_OTHERS = {
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULT_REGION", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", "OMP_WAIT_POLICY",
    "PYTHONUNBUFFERED",
}  # fmt: skip
MOST_EXPOSED = "21"
"""Tenths of what `systemd-analyze security` counts; 100 is a service with nothing said about it."""


def lines(name: str) -> list[tuple[str, str]]:
    """What a unit says, in order."""
    return re.findall(r"^(\w+)=(.*)$", (FOLDER / name).read_text(), re.MULTILINE)


def values(name: str, key: str) -> list[str]:
    return [value for found, value in lines(name) if found == key]


def one(name: str, key: str) -> str:
    [value] = values(name, key)
    return value


def test_there_are_units_for_every_process() -> None:
    assert SERVICES == (
        "primesvt-api.service", "primesvt-reconciler.service", "primesvt-serve.service", "primesvt-worker@.service",
    )  # fmt: skip
    assert {one(name, "WantedBy") for name in OF_PARTS} == {"primesvt.target"}
    assert one("primesvt-serve.service", "Conflicts") == "primesvt.target"


def test_systemd_takes_them_as_they_are(tmp_path: Path) -> None:
    systemd = need_program("systemd-analyze")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("uvicorn", "python", "primesvt"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    units = [*SERVICES, "primesvt.target"]
    for name in units:
        (tmp_path / name).write_text((FOLDER / name).read_text().replace(PROGRAMS, str(programs)))
    paths = [str(tmp_path / name.replace("@.", "@0.")) for name in units]
    told = subprocess.run([systemd, "--man=no", "verify", *paths], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    (tmp_path / units[0]).write_text((tmp_path / units[0]).read_text().replace("Restart=always", "Restart=perhaps"))
    told = subprocess.run([systemd, "--man=no", "verify", paths[0]], capture_output=True, text=True, check=False)
    assert "perhaps" in told.stderr


def test_systemd_counts_little_that_they_leave_open() -> None:
    systemd = need_program("systemd-analyze")
    paths = [str(FOLDER / name) for name in SERVICES]
    security = [systemd, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", *paths]
    told = subprocess.run(security, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_what_they_start_is_there(name: str) -> None:
    program, *words = one(name, "ExecStart").split()
    folder, _, called = program.rpartition("/")
    assert folder == PROGRAMS
    table = (ROOT / "docs" / "deployment.md").read_text()
    if called == "uvicorn":
        assert words[:2] == ["--factory", "app.main:create"]
        documented = re.search(r"`uvicorn (--factory [^`]+)`", table)
        assert documented
        assert {*documented.group(1).split()} <= {*words}
    elif called == "python":
        assert words[:2] == ["-P", "-m"]
        assert importlib.util.find_spec(words[2])
        assert f"`python -m {words[2]}`" in table
    else:
        assert (called, words[0]) == ("primesvt", "serve")
        assert 'serve = "app.commands.serving:serve"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_their_variables_are_settings(name: str) -> None:
    said = [word for value in values(name, "Environment") for word in value.split()]
    variables = dict(word.split("=", 1) for word in said)
    assert len(variables) == len(said)
    assert variables.keys() <= OURS | OF_OTHERS
    credentials = dict(value.split(":", 1) for value in values(name, "LoadCredential"))
    of_files = {value.removeprefix("%d/") for key, value in variables.items() if key.endswith("_FILE")}
    assert of_files == credentials.keys()
    assert all(path == f"/etc/primesvt/credentials/{key}" for key, path in credentials.items())
    folder = variables.get("PRIMESVT_DATA_DIR") or one(name, "ExecStart").split("--data-dir ")[1].split()[0]
    assert folder == f"%S/{one(name, 'StateDirectory')}"  # made by systemd for this unit's user alone
    assert (one(name, "StateDirectoryMode"), one(name, "UMask"), one(name, "User")) == ("0700", "0077", "primesvt")


def test_the_example_environment_has_settings_and_no_secret() -> None:
    told = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "primesvt.env").read_text(), re.MULTILINE))
    assert told.keys() <= OURS | OF_OTHERS
    assert not told.keys() & {f"{PREFIX}{name.upper()}" for name in FROM_FILES}
    assert Settings.from_env(told).storage == "s3://primesvt"
    assert re.search(r"^u primesvt ", (FOLDER / "primesvt.sysusers.conf").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_they_start_again_and_stop_in_time(name: str) -> None:
    assert one(name, "Restart") == "always"
    assert int(one(name, "TimeoutStopSec")) >= (60 if name in CHILDREN else 20)
    assert values(name, "MemoryMax")
    assert values(name, "KillMode") == (["mixed"] if name in CHILDREN else [])  # else SIGTERM would end the children
    assert values(name, "OOMPolicy") == (["continue"] if name in CHILDREN else [])


@pytest.mark.parametrize("name", CHILDREN)
def test_what_holds_the_sandbox_is_left_to_the_worker(name: str) -> None:
    allowed = values(name, "SystemCallFilter")[0].split()
    assert (CREATE_RULESET, ADD_RULE, RESTRICT_SELF) == (444, 445, 446)
    assert {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"} <= {*allowed}
    assert not values(name, "MemoryDenyWriteExecute")  # kernels are compiled at run time
    # GPUs are devices; ProtectClock implies a list of devices, on which they are not.
    assert not values(name, "PrivateDevices") + values(name, "ProtectClock") + values(name, "DeviceAllow")
    assert not values(name, "ProcSubset")  # how much memory there is
