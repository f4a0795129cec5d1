"""profiles add, list, remove: servers by name, each with its key."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.table import Table

from primesvt_client.commands.api_options import KEY_VARIABLE
from primesvt_client.console import err, out, print_json
from primesvt_client.errors import SpecError
from primesvt_client.options import Json
from primesvt_client.profiles import Profile, check_name, profiles_file, read_profiles, write_profiles

commands = typer.Typer(
    no_args_is_help=True, help="Servers by name, for --profile NAME or PRIMESVT_PROFILE, each with its key."
)
Name = Annotated[str, typer.Argument(help="Letters, digits, - and _.", show_default=False)]


@commands.command("add")
def add(
    name: Name,
    server: Annotated[str, typer.Option("--server", help="Address of the service.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a profile of that name.")] = False,
) -> None:
    """Keep a server and its API key; the key is asked for, read from standard input, or PRIMESVT_API_KEY's."""
    check_name(name)
    path = profiles_file()
    known = read_profiles(path)
    if name in known and not replace:
        raise SpecError(f"there is a profile {name!r} for {known[name].server}; give --replace to take its place")
    made = Profile(server=server, api_key=_key())
    _check_usable(made)
    write_profiles(path, {**known, name: made})
    err.print(f"{name} is kept in {path}, which only you can read", markup=False, soft_wrap=True)


@commands.command("list")
def list_profiles(json: Json = False) -> None:
    """List the profiles; keys are not shown."""
    known = read_profiles(profiles_file())
    if json:
        print_json([{"name": name, "server": one.server} for name, one in sorted(known.items())])
        return
    if not known:
        out.print("no profiles")
        return
    table = Table("profile", "server", box=None)
    for name, one in sorted(known.items()):
        table.add_row(name, one.server)
    out.print(table)


@commands.command("remove")
def remove(name: Name) -> None:
    """Forget a server and its key; the key itself stays valid."""
    path = profiles_file()
    known = dict(read_profiles(path))
    if known.pop(name, None) is None:
        raise SpecError(f"there is no profile {name!r} in {path}")
    write_profiles(path, known)
    err.print(f"{name} is forgotten")


def _key() -> str:
    """The key, which never stands on the command line, where other users see it."""
    if given := os.environ.get(KEY_VARIABLE):
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    key: str = typer.prompt("API key", hide_input=True, err=True)
    return key.strip()


def _check_usable(profile: Profile) -> None:
    """Refuse now what a connection would refuse later."""
    from primesvt_client.connection import Connection

    Connection(profile.server, profile.api_key).close()
