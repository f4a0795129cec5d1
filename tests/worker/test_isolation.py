"""A child that an upload has taken over reaches nothing: four services, with a real child that attacks each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.hardening import SECRETS
from tests.support.subverted_child import DONE
from worker import landlock, users
from worker.sandbox import Promise

ROOT = Path(__file__).resolve().parents[2]
ORDINARY = 12345 if os.geteuid() == 0 else os.geteuid()
READING_ALONE = sum(1 << capability for capability in users.READING)
SECONDS = 150

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
as_root = pytest.param(0, id="root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it"))
as_ordinary = pytest.param(ORDINARY, id="ordinary")


@cache
def attacked(kind: str, user: int, changed: str = "") -> Mapping[str, Any]:
    """What came of the attempts, under a service of this user; ``changed`` takes something from the sandbox."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        given = {**os.environ, "PYTHONPATH": str(ROOT), **({changed: "1"} if changed else {})}
        command = [sys.executable, "-m", "tests.support.subverted_service", f"{folder}/data", kind, str(user)]
        done = subprocess.run(
            command, env={**given, **dict.fromkeys(SECRETS, "hidden-value")}, capture_output=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def succeeded(found: Mapping[str, Any]) -> set[str]:
    return {name for name, outcome in found["tried"].items() if outcome == DONE}


def broken(found: Mapping[str, Any]) -> set[str]:
    return {name.partition(":")[0] for name in succeeded(found)}


@pytest.mark.parametrize("user", [as_root, as_ordinary])
@pytest.mark.parametrize("kind", ["validating", "computing"])
def test_a_subverted_child_reaches_nothing_and_what_the_kernel_cannot_hold_is_named(kind: str, user: int) -> None:
    found = attacked(kind, user)
    assert broken(found) <= set(found["missing"]), succeeded(found)
    if landlock.version() >= landlock.SCOPES:  # a kernel that has all
        assert (found["missing"], succeeded(found)) == ([], set())
    assert found["honest"] == [DONE] * (5 if kind == "computing" else 1)
    assert found["identity"]["no_new_privileges"] == 1
    assert not {*SECRETS} & {*found["identity"]["environment"]}
    assert found["secrets"]["left"] == 0


@pytest.mark.parametrize("user", [as_root])
@pytest.mark.parametrize("kind", ["validating", "computing"])
def test_children_of_a_service_that_root_started_have_given_root_up(kind: str, user: int) -> None:
    found = attacked(kind, user)
    [own] = found["identity"]["users"]
    assert own in users.USERS
    assert found["identity"]["groups"] == []
    assert found["identity"]["capabilities"] & ~READING_ALONE == 0
    assert found["secrets"] == {"before": len(SECRETS), "left": 0}


def test_every_attempt_on_files_and_limits_succeeds_without_a_sandbox_of_ours() -> None:
    """Or the refusals above would prove nothing; what is refused all the same, the service's own hiding refuses."""
    found = attacked("computing", ORDINARY, "PYTHON_UNCONFINED")
    kinds = {name.partition(": ")[2].split(" /")[0] for name in succeeded(found)}
    assert kinds >= {
        "read", "read_by_program", "overwrite", "truncate", "change_mode", "change_times", "symlink", "list",
        "create in", "reach",
    }  # fmt: skip
    per_process = [name for name in succeeded(found) if name.startswith("processes: limit")]
    assert len(per_process) == 2
    memory = [name for name in succeeded(found) if name.startswith(("processes: read mem", "processes: read environ"))]
    assert len(memory) == 2  # the neighbour's, which does not hide here; not the service's


@pytest.mark.parametrize(
    ("user", "changed", "expected"),
    [
        pytest.param(ORDINARY, "PYTHON_NO_LANDLOCK", {Promise.FILES, Promise.WRITING, Promise.PROCESSES}),
        pytest.param(ORDINARY, "PYTHON_UNKNOWN_MACHINE", {Promise.NETWORK, Promise.PROCESSES, Promise.WRITING}),
        pytest.param(0, "PYTHON_NO_LANDLOCK", {Promise.FILES, Promise.WRITING}, marks=as_root.marks),
    ],
)
def test_a_kernel_that_offers_less_is_told_promise_by_promise(user: int, changed: str, expected: set[str]) -> None:
    found = attacked("computing", user, changed)
    assert {*map(str, expected)} <= set(found["missing"])
    assert broken(found) <= set(found["missing"]), succeeded(found)
