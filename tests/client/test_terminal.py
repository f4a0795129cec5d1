"""What servers and files chose does nothing on a terminal but be read."""

from __future__ import annotations

import io

import pytest
from rich.progress import Progress as Bars
from rich.progress import TextColumn
from rich.table import Table

from primesvt_client import console
from primesvt_client.commands import api_options
from primesvt_client.facts import DataSetFacts, ProblemFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from primesvt_client.terminal import Terminal, without_controls

HOSTILE = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b]0;title\x07shown": "shown",
    "\x1b]52;c;ZXZpbA==\x1b\\shown": "shown",  # writes the clipboard
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\": "link",
    "\x1b[2J\x1b[1;1Hgone": "gone",
    "\x1bP+q544e\x1b\\shown": "shown",  # asks the terminal, which types the answer
    "\x9b31mred": "red",
    "over\rwritten\b\b": "overwritten",
    "a\x1b": "a",
    "a\x1b]0;without an end": "a0;without an end",
    "\u202etxt.exe": "txt.exe",
    "name\udc9b31m": "name31m",
    "five\tgreen\nboxes ünï 箱": "five\tgreen\nboxes ünï 箱",
}


@pytest.mark.parametrize(("text", "left"), HOSTILE.items())
def test_sequences_and_controls_go_and_text_stays(text: str, left: str) -> None:
    assert without_controls(text) == left


def terminal() -> Terminal:
    return Terminal(file=io.StringIO(), force_terminal=True, color_system="standard", width=200, highlight=False)


@pytest.mark.parametrize("text", HOSTILE)
def test_only_the_terminal_itself_chooses_colours_and_moves_the_cursor(text: str) -> None:
    there = terminal()
    there.print("[bold]verdict[/]")
    own = there.file.getvalue()  # type: ignore[attr-defined]
    assert own == "\x1b[1mverdict\x1b[0m\n"
    table = Table("name", box=None)
    table.add_row(text)
    there.print(text, table, markup=False)
    with Bars(TextColumn("{task.description}", markup=False), console=there, auto_refresh=False) as bars:
        bars.add_task(text.splitlines()[0])
        bars.refresh()
    told = there.file.getvalue().removeprefix(own)  # type: ignore[attr-defined]
    for spell in ("\x1b[31m", "\x1b]", "\x1b[2J\x1b[1;1H", "\x1bP", "\x9b", "\b", "\u202e", "\udc9b"):
        assert spell not in told


def test_commands_print_what_servers_say_as_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spell = "\x1b]0;owned\x07[link=https://evil.example]here[/link] [bold]x"
    for where in (console, api_options):
        monkeypatch.setattr(where, "err", terminal())
    errors: Terminal = console.err
    monkeypatch.setattr(api_options, "err", errors)
    with console.progress_bars() as report:
        report(Progress(step=Step.PROFILE, done=1, total=2, note=spell))
    with api_options.byte_bar(f"uploading {spell}") as tick:
        tick(1, 2)
    with pytest.raises(SystemExit):
        console.fail("some_code", ProblemFacts(code="x", detail=spell).detail or "", 1)
    told = errors.file.getvalue()  # type: ignore[attr-defined]
    assert told.count("[link=https://evil.example]here[/link] [bold]x") >= 2
    assert "\x1b]" not in told


UPLOAD = {
    "id": "upl_1", "kind": "dataset", "state": "ready", "size_bytes": 1, "sha256": None, "part_bytes": 1, "parts": 1,
    "received_parts": [], "problem": None, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def test_notes_of_data_sets_are_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from primesvt_client.commands import jobs
    from primesvt_client.schemas.uploads import UploadView

    monkeypatch.setattr(jobs, "err", there := terminal())
    facts = DataSetFacts(samples=1, notes=("\x1b[2J[red]a note[/red]",))
    document = {"name": "[b]a.zip", "facts": facts.model_dump(mode="json"), **UPLOAD}
    jobs.print_notes(UploadView.model_validate(document))
    assert there.file.getvalue() == "[b]a.zip: [red]a note[/red]\n"  # type: ignore[attr-defined]


def test_a_step_that_turns_out_longer_is_still_told_by_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Terminal(file=io.StringIO(), force_terminal=False, width=200, highlight=False)
    monkeypatch.setattr(console, "err", there)
    with console.progress_bars(baseline="trying") as report:
        report(Progress(step=Step.BASELINE, done=1, total=1))
        for done in range(2, 29):
            report(Progress(step=Step.BASELINE, done=done, total=28))
    told = there.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert told == ["trying ...", "  7 of 28", "  14 of 28", "  21 of 28"]
