"""The command ``primesvt``: the commands of every distribution that is installed.

A distribution offers its commands through the entry-point group ``primesvt.commands``: the name is the command's, the
object a function, or a `typer.Typer` with several. Only the command that is called is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer

from primesvt_client.console import out
from primesvt_client.version import __version__

GROUP = "primesvt.commands"
SETTINGS: dict[str, Any] = {
    "name": "primesvt",
    "no_args_is_help": True,
    "add_completion": True,
    "pretty_exceptions_enable": False,
    "help": "Shrink pre-trained Spiking Vision Transformers within an accuracy and memory budget.",
}
PANELS = {"primesvt": "On this machine", "primesvt-client": "On a server", "primesvt-service": "Run a server"}
"""Headings of the help, by distribution."""


def command_line(called: Iterable[str] = ()) -> typer.Typer:
    """The command line with the commands of that name, or with all of them where there is none."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    chosen = [found[name] for name in called if name in found] or sorted(found.values(), key=_place)
    app = typer.Typer(**SETTINGS)
    app.callback()(_common)
    for entry in chosen:
        _add(app, entry)
    return app


def _place(entry: EntryPoint) -> tuple[int, str]:
    panels = [*PANELS]
    return panels.index(_distribution(entry)) if _distribution(entry) in panels else len(panels), entry.name


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else ""


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    found: typer.Typer | Callable[..., None] = entry.load()
    panel = PANELS.get(_distribution(entry))
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=entry.name, rich_help_panel=panel)
    else:
        app.command(entry.name, rich_help_panel=panel)(found)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        out.print(f"primesvt {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the command line itself."""
