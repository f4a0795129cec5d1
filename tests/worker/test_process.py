"""Child processes: what they say arrives, and none is left, however they end."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.servers import until
from worker import process
from worker.process import Child, ChildDied, CpuLimitExceeded, start_child, stderr_tail
from worker.protocol import AssignmentAnswer, NextBatchMessage, Request, ValidateData

PATIENCE_SECONDS = 60.0
NEXT_BATCH = 'print(\'{"kind": "next_batch"}\', flush=True)'
ASKED = Request(task=ValidateData(path=Path("upload")))


class Children:
    """Starts children of a few lines, which load nothing."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack, self.log = folder, stack, folder / "work" / "child.log"

    def start(self, program: str) -> Child:
        (self.folder / "program.py").write_text(textwrap.dedent(program))
        return self.stack.enter_context(start_child(ASKED, self.log))


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    monkeypatch.setattr(process, "CHILD", "program")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with ExitStack() as stack:
        yield Children(tmp_path, stack)


def death(child: Child) -> ChildDied:
    with pytest.raises(ChildDied) as found:
        child.next_message(PATIENCE_SECONDS)
    return found.value


def test_a_child_is_asked_answers_and_is_answered(children: Children, tmp_path: Path) -> None:
    child = children.start(
        f"""
        import pathlib, sys
        told = pathlib.Path(r"{tmp_path}") / "told"
        first = sys.stdin.readline()
        {NEXT_BATCH}
        told.write_text(first + sys.stdin.readline())
        sys.exit("nothing more\\n\\n")
        """
    )
    answer = AssignmentAnswer(to_compute={"a": {"group": 0.5}})
    assert child.next_message(PATIENCE_SECONDS) == NextBatchMessage()
    child.answer(answer)
    assert str(death(child)).endswith("exit status 1: nothing more")
    request, answered = (tmp_path / "told").read_text().splitlines()
    assert Request.model_validate_json(request) == ASKED
    assert AssignmentAnswer.model_validate_json(answered) == answer


def test_a_child_and_what_it_starts_give_way_to_the_service(children: Children, tmp_path: Path) -> None:
    child = children.start(
        f"""
        import os, pathlib, subprocess, sys
        sys.stdin.readline()
        own = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
        pathlib.Path(r"{tmp_path}", "told").write_text(subprocess.check_output([sys.executable, "-c", own], text=True))
        {NEXT_BATCH}
        sys.stdin.readline()
        """
    )
    assert child.next_message(PATIENCE_SECONDS) == NextBatchMessage()
    assert int((tmp_path / "told").read_text()) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + process.NICENESS)


def test_a_silent_child_is_waited_for_and_everything_it_started_ends_with_the_block(
    children: Children, tmp_path: Path
) -> None:
    child = children.start(
        f"""
        import pathlib, signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(r"{tmp_path}", "started.part").write_text(str(started.pid))
        pathlib.Path(r"{tmp_path}", "started.part").rename(r"{tmp_path}/started")
        signal.pause()
        """
    )
    assert child.next_message(0.01) is None
    until((tmp_path / "started").exists, "it starts another process")
    assert [path.name.split("-")[0] for path in children.log.parent.iterdir() if path.is_dir()] == ["scratch"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "GRACE_SECONDS", 0.05)
        children.stack.close()
    assert child.process.returncode == -9
    started = Path(f"/proc/{(tmp_path / 'started').read_text()}/stat")
    until(lambda: not started.exists() or ") Z " in started.read_text(), "what it has started ends")
    assert [path for path in children.log.parent.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("number", "kind", "why"),
    [
        ("SIGKILL", ChildDied, "out of memory"), ("SIGTERM", ChildDied, "SIGTERM"),
        ("SIGXCPU", CpuLimitExceeded, "processor time"),
    ],
)  # fmt: skip
def test_the_signal_says_how_a_child_ended(children: Children, number: str, kind: type[ChildDied], why: str) -> None:
    found = death(children.start(f"import os, signal; os.kill(os.getpid(), signal.{number})"))
    assert type(found) is kind
    assert why in str(found)


def test_a_child_that_says_what_is_no_message_is_ended(children: Children) -> None:
    child = children.start(f'{NEXT_BATCH}\nprint("rubbish", flush=True)\n{NEXT_BATCH}\nimport signal; signal.pause()')
    assert child.next_message(PATIENCE_SECONDS) == NextBatchMessage()
    assert "out of memory" not in str(death(child))
    child.answer(AssignmentAnswer())  # which nobody reads any more


def test_the_last_line_of_standard_error_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert stderr_tail(log) == "it left no message"
    log.write_bytes(b" \n\n")
    assert stderr_tail(log) == "it left no message"
    log.write_bytes(b"first\n" + b"x" * 5000 + b"\n  last: \xff \n\n")
    assert stderr_tail(log) == "last: \ufffd"
