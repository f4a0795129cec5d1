"""The `primesvt` command as people and scripts use it, against a service that it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from app.embedded import Place
from primesvt_client import Client, connection
from tests.support import commands
from tests.support.commands import Done
from tests.support.embedded import EXAMPLES, IMPATIENT, QUICK, needs_proc

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
HEAR_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""Tests may have been started in the background, where Ctrl-C is ignored."""

COMMAND = [sys.executable, "-c", f"{HEAR_CTRL_C}; from primesvt_client.commands.main import main; main()"]
SECONDS = 90
UNUSED_KEY = "psvt_unknown"


def environment(**changes: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PRIMESVT_")}
    return {**mine, "COLUMNS": "200", **changes}


def primesvt(*words: str | Path, **variables: str) -> Done:
    """A command of a client, which needs no process of its own."""
    with patch.dict(os.environ, environment(**variables), clear=True):
        return commands.primesvt(*words)


def process(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command as a shell runs it."""
    return subprocess.run(
        [*COMMAND, *map(str, words)], env=environment(**variables), capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip


@dataclass
class Served:
    """`primesvt serve`, as its own process."""

    process: subprocess.Popen[str]
    told: dict[str, Any]

    @property
    def known(self) -> dict[str, str]:
        """What a client must know of it."""
        return {"PRIMESVT_SERVER": self.told["server"], "PRIMESVT_API_KEY": self.told["api_key"]}

    def call(self, *words: str | Path) -> Done:
        return primesvt(*words, **self.known)

    def document(self, *words: str | Path, status: int = 0) -> Any:
        done = self.call(*words, "--json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def parts(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in found]


def serve(data_dir: Path, *words: str) -> Served:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--data-dir", str(data_dir), "--json", *words],
        env=environment(**IMPATIENT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = "".join(iter(process.stdout.readline, "}\n")) + "}"
    return Served(process, json.loads(told))


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=SECONDS)
    return process.returncode, errors


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = serve(tmp_path_factory.mktemp("served") / "data")
    yield found
    leaves_nothing_behind(found, signal.SIGINT)


def leaves_nothing_behind(served: Served, how: signal.Signals) -> None:
    """It ends as it should by that signal, and its parts with it."""
    parts = served.parts()
    served.process.send_signal(how)
    status, errors = ended(served.process)
    assert status == (-signal.SIGKILL if how is signal.SIGKILL else 0), errors
    deadline = time.monotonic() + SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in parts):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "spec.json"
    path.write_text(json.dumps(QUICK))
    return path


@pytest.fixture(scope="module")
def finished(served: Served, spec: Path) -> dict[str, Any]:
    job: dict[str, Any] = served.document(
        "submit", CHECKPOINT, "--data", DATA, "--spec", spec, "--name", "from a script", "--wait"
    )
    return job


def test_the_first_key_is_told(served: Served) -> None:
    assert served.told["api_key"].startswith("psvt_")
    assert served.told["server"].startswith("http://127.0.0.1:")


def test_a_dry_run_says_what_a_job_can_come_to_and_queues_none(
    served: Served, spec: Path, finished: dict[str, Any]
) -> None:
    before = [job["id"] for job in served.document("list")]
    asked = ("submit", CHECKPOINT, "--data", DATA, "--spec", spec, "--dry-run")
    told = served.document(*asked)
    assert (told["family"], told["model_classes"], told["classes_match"]) == ("spikformer", 10, True)
    assert told["max_memory_saving"] >= finished["summary"]["memory_saving"]
    assert told["estimated_seconds"] > 0
    assert (told["provable_drop"] > 0, told["problems"]) == (True, [])
    beyond = served.document(*asked, "--min-memory-saving", "0.999", status=2)
    assert [(one["code"], one["field"]) for one in beyond["problems"]] == [
        ("impossible_budget", "budget.min_memory_saving")
    ]
    assert beyond["problems"][0]["nearest"] <= beyond["max_memory_saving"]
    assert "nothing was queued" in served.call(*asked).stdout
    assert [job["id"] for job in served.document("list")] == before


def test_submit_and_status_tell_id_and_state(served: Served, finished: dict[str, Any]) -> None:
    assert (finished["state"], finished["verdict"], finished["name"]) == ("succeeded", "met", "from a script")
    assert served.document("status", finished["id"])["id"] == finished["id"]
    assert [job["id"] for job in served.document("list", "--state", "succeeded", "--query", "script")] == [
        finished["id"]
    ]
    assert served.document("list", "--state", "failed") == []


def test_people_read_the_same(served: Served, finished: dict[str, Any]) -> None:
    shown = process("status", finished["id"], **served.known)
    assert (shown.returncode, shown.stderr) == (0, "")
    told = shown.stdout
    assert told == served.call("status", finished["id"]).stdout
    assert f"{finished['id']} succeeded" in told
    assert "verdict met" in told
    assert finished["id"] in served.call("list").stdout


def test_a_download_evaluates_to_the_reports_accuracy(served: Served, finished: dict[str, Any], tmp_path: Path) -> None:
    files = served.document("download", finished["id"], "--out", tmp_path)["files"]
    names = {Path(file).relative_to(tmp_path).as_posix() for file in files}
    assert {"model.safetensors", "report.json", "report.html", "layers.csv", "figures/robustness.png"} <= names
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"verdict", "baseline", "pruned", "accuracy_drop", "memory_saving", "layers", "profile", "curve"} <= set(
        report
    )
    assert report["data"]["name"] == "digits.npz"
    found = json.loads(primesvt("evaluate", tmp_path / "model.safetensors", "--data", DATA, "--json").stdout)
    assert found["accuracy"] == report["pruned"]["accuracy"]
    assert served.call("download", finished["id"], "--out", tmp_path).returncode == 0


def test_options_override_the_spec(served: Served, spec: Path) -> None:
    job = served.document("submit", CHECKPOINT, "--data", DATA, "--spec", spec, "--seed", "7", "--rates", "0.3")
    assert (job["spec"]["seed"], job["spec"]["rates"]) == (7, [0.3])
    assert job["spec"]["budget"] == QUICK["budget"]
    assert served.document("cancel", job["id"])["state"] in ("cancelled", "cancelling")
    assert served.document("status", job["id"], "--wait", status=1)["state"] == "cancelled"
    again = served.document("retry", job["id"])
    assert again["retry_of"] == job["id"]
    served.call("cancel", again["id"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status", "job_nothing"), "not_found"),
        (("submit", "missing.pth", "--data", str(DATA), "--max-accuracy-drop", "0.03"), "unusable_input"),
        (("submit", str(CHECKPOINT), "--data", str(DATA)), "invalid_spec"),
        (("submit", str(CHECKPOINT), "--data", str(DATA), "--max-macs", "1", "--dry-run", "--wait"), "invalid_spec"),
        (("submit", str(DATA), "--data", str(DATA), "--max-accuracy-drop", "0.03"), ""),
    ],
)
def test_wrong_input_is_told_with_a_code(served: Served, words: Sequence[str], code: str) -> None:
    done = served.call(*words)
    assert done.returncode == 2, done.stderr
    assert f"error [{code}" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_key_and_a_wrong_key_are_told(served: Served) -> None:
    done = primesvt("list", PRIMESVT_SERVER=served.told["server"])
    assert (done.returncode, "no_api_key" in done.stderr) == (2, True)
    done = primesvt("list", PRIMESVT_SERVER=served.told["server"], PRIMESVT_API_KEY=UNUSED_KEY)
    assert (done.returncode, "invalid_key" in done.stderr) == (2, True)


def test_no_server_is_told_after_a_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connection, "time", SimpleNamespace(sleep=pauses.append))
    done = primesvt("list", PRIMESVT_SERVER="http://127.0.0.1:9", PRIMESVT_API_KEY=UNUSED_KEY)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is the server running" in done.stderr
    assert pauses == [*connection.RETRY_DELAYS]


def test_a_port_and_a_folder_that_are_taken_are_told(served: Served, tmp_path: Path) -> None:
    port = served.told["server"].rpartition(":")[2]
    done = process("serve", "--port", port, "--data-dir", tmp_path)
    assert (done.returncode, "address_in_use" in done.stderr) == (2, True)
    done = process("serve", "--port", "0", "--data-dir", served.told["data_dir"])
    assert (done.returncode, "data_dir_in_use" in done.stderr) == (2, True)


def test_the_first_person_is_invited_joins_and_signs_in(served: Served) -> None:
    folder, server = served.told["data_dir"], served.told["server"]
    asked = ("members", "add", "ann@example.org", "--role", "admin", "--data-dir", folder)
    link = primesvt(*asked).stdout.strip()
    assert link.startswith(f"{server}/join/")
    with httpx.Client(trust_env=False, headers={"Accept": "text/html"}) as browser:
        joined = browser.post(link, data={"password": "many green horses", "name": "Ann"})
        assert (joined.status_code, joined.headers["location"]) == (303, "/")
        assert browser.get(server).status_code == 200
        entries = browser.get(f"{server}/api/v1/audit").json()["items"]
    assert [entry["action"] for entry in entries][:3] == ["session.open", "member.join", "member.invite"]
    assert [entry["actor_kind"] for entry in entries][:3] == ["user", "user", "operator"]


def test_keys_are_made_listed_and_revoked(served: Served) -> None:
    folder = served.told["data_dir"]
    made = json.loads(primesvt("keys", "create", "ci", "--data-dir", folder, "--json").stdout)
    server = served.told["server"]
    assert primesvt("list", PRIMESVT_SERVER=server, PRIMESVT_API_KEY=made["api_key"]).returncode == 0
    listed = json.loads(primesvt("keys", "list", "--data-dir", folder, "--json").stdout)
    [found] = [key for key in listed if key["id"] == made["id"]]
    assert (found["team"], found["name"], found["state"]) == ("default", "ci", "live")
    assert made["api_key"] not in str(listed)
    assert primesvt("keys", "revoke", made["id"], "--data-dir", folder).returncode == 0
    assert primesvt("list", PRIMESVT_SERVER=server, PRIMESVT_API_KEY=made["api_key"]).returncode == 2


@needs_proc
@pytest.mark.faults
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_that_ends_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    """By Ctrl-C ends the one that all the other tests use."""
    served = serve(tmp_path / "data")
    assert len(served.parts()) == 4
    leaves_nothing_behind(served, how)


@pytest.mark.thorough
@pytest.mark.usefixtures("finished")
def test_ctrl_c_stops_the_watching_and_not_the_job(served: Served, spec: Path) -> None:
    job = served.document("submit", CHECKPOINT, "--data", DATA, "--spec", spec, "--seed", "8")  # it takes over no cells
    told = served.call("status", job["id"]).stdout
    assert "  ends in about " in told  # for one like it has ended
    watching = subprocess.Popen(
        [*COMMAND, "status", job["id"], "--wait"], stderr=subprocess.PIPE, text=True,
        env=environment(**served.known),
    )  # fmt: skip
    assert watching.stderr is not None
    assert watching.stderr.readline()  # it has heard of the job
    watching.send_signal(signal.SIGINT)
    status, errors = ended(watching)
    assert (status, "the job continues" in errors) == (130, True), errors
    assert served.document("status", job["id"])["state"] in ("queued", "running", "finalizing", "succeeded")


def test_the_demo_shows_a_result_that_it_has_verified(
    served: Served, finished: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a service that is there, with a job that has ended."""

    @contextmanager
    def there(_place: Place) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(address=served.told["server"], first_key=served.told["api_key"])

    monkeypatch.setattr("app.embedded.running", there)
    monkeypatch.setattr(Client, "submit", lambda client, *_asked, **_more: client.job(finished["id"]))
    done = primesvt("demo", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for told in (report["verdict"], f"{report['pruned']['accuracy']:.2%}", "report.html"):
        assert told in done.stdout
    accuracy = report["pruned"]["accuracy"] - 1 / report["pruned"]["samples"]
    monkeypatch.setattr(
        "primesvt_core.evaluation.evaluate.evaluate", lambda *_, **__: SimpleNamespace(accuracy=accuracy)
    )
    done = primesvt("demo", "--out", tmp_path / "out")
    assert (done.returncode, "not_reproduced" in done.stderr) == (1, True)


@pytest.mark.thorough
def test_the_demo_goes_the_whole_way(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--out", str(tmp_path / "out")], env=environment(), capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verdict"] == "met"
    assert report["accuracy_drop"] <= 0.03
    assert report["memory_saving"] >= 0.25
    assert f"{report['pruned']['accuracy']:.2%}" in done.stdout
    assert "report.html" in done.stdout
