"""What ``docs/deployment.md`` has an operator do, from a clone to a team's first finished job, done word by word."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import free_port, own_postgres, own_redis
from tests.support.swift import ACCESS, SECRET, Swift
from tests.support.validators import need_program

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text()
SECONDS = 1200
"""Twenty minutes, which the walk must not need."""

BASH = "/bin/bash"


def section(title: str) -> str:
    """A section of the document."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## )", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group(1)


def blocks() -> tuple[str, str, list[str]]:
    """What installs, what says where things are, and all that follows."""
    found = re.findall(r"```sh\n(.*?)```", section("Several machines, step by step"), re.DOTALL)
    assert len(found) == 6
    install, where, *steps = found
    return install, where, steps


def test_every_step_is_one_that_a_shell_understands() -> None:
    install, where, steps = blocks()
    assert install == "make setup\n"
    done = subprocess.run([BASH, "-n"], input=where + "".join(steps), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    used = set(re.findall(r"\$\{?([A-Z_0-9]+)", "".join(steps)))
    told = set(re.findall(r"\b([A-Z_0-9]+)=", where)) | {"PWD"}
    assert used <= told


def test_what_was_not_tried_is_named_where_it_stands() -> None:
    untried = section("Not tried here")
    for path in re.findall(r"`(?:tests/architecture/)?(test_\w+\.py)`", untried):
        assert (ROOT / "tests" / "architecture" / path).is_file(), path
    for title in ("Containers", "Kubernetes", "systemd"):  # indented, so that nobody takes them for what is run
        assert "```" not in section(title)
    for word in ("images", "docker-compose.yml", "kubectl apply", "systemd", "first block"):
        assert word in untried


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_an_operator_gets_from_a_clone_to_a_teams_first_finished_job(swift: Swift, tmp_path: Path) -> None:
    for name in ("psql", "createdb", "openssl", "curl"):
        need_program(name)
    _, where, steps = blocks()
    with own_postgres() as postgres, own_redis(tmp_path / "redis") as redis:
        here = {
            "PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "postgres", "REDIS": redis.url,
            "S3": swift.endpoint, "S3_ACCESS_KEY": ACCESS, "S3_SECRET_KEY": SECRET, "PORT": str(free_port()),
            "CLONE": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        assert here.keys() == set(re.findall(r"\b([A-Z_0-9]+)=", where))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PRIMESVT_", "PG"))}
        walk(tmp_path, {**inherited, **here, "PYTHONPATH": str(ROOT)}, steps)
    installed = tmp_path / "primesvt-installation"
    job = json.loads((installed / "job.json").read_text())
    assert (job["state"], job["verdict"]) == ("succeeded", "met")
    report = json.loads((installed / "results" / "report.json").read_text())
    assert report["memory_saving"] >= 0.1
    assert (installed / "results" / "report.html").is_file()
    assert {path.stat().st_mode & 0o077 for path in (installed / "secrets").iterdir()} == {0}


def walk(folder: Path, env: dict[str, str], steps: list[str]) -> None:
    """Run the steps in one shell, as an operator does; whatever they started ends with it."""
    shell = subprocess.Popen(
        [BASH, "-euo", "pipefail", "-c", "".join(steps)], cwd=folder, env=env, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        # Processes in the background keep the pipe open: it ends when they do, the shell before.
        status = shell.wait(SECONDS)
        logs = {path.name: path.read_text()[-1500:] for path in folder.glob("primesvt-installation/*.log")}
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
    assert shell.stdout is not None
    told = shell.stdout.read()
    shell.stdout.close()
    assert status == 0, (told, logs)
