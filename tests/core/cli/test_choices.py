"""What the help of a command says of the plug-ins that can be chosen."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, get_args

import pytest
import typer

from primesvt_core.cli.choices import lists_choices
from tests.support.plugins import documented, refound


def help_of_policy() -> str:
    @lists_choices
    def command(policy: Annotated[str, typer.Option(help="Decides the rates.")], seed: int) -> None:
        """A command."""

    parameters = inspect.signature(command).parameters
    assert [*parameters] == ["policy", "seed"]
    found: str = get_args(parameters["policy"].annotation)[1].help
    return found


def test_help_lists_what_there_is(tmp_path: Path) -> None:
    with documented("policies", "gentle", tmp_path):
        assert help_of_policy() == "Decides the rates; there are: allocate, gentle, prioritized, sensitivity, uniform."
    assert help_of_policy() == "Decides the rates; there are: allocate, prioritized, sensitivity, uniform."


def test_help_comes_where_plug_ins_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_POLICIES", "/no/such/folder")
    with refound():
        assert help_of_policy() == "Decides the rates."
