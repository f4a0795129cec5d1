"""Which server a command talks to: one that is named by its address and a key, or a profile that has both."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from primesvt_client.errors import SpecError
from primesvt_client.profiles import PROFILE_VARIABLE, find_profile

SERVER, KEY, PROFILE, CONTEXT = "server", "api_key", "server_profile", "context"
NAMES = ("--server-profile", "--profile")
"""The second one is a spec's option, too: of commands that take a spec only the first one is this."""


def _option(*names: str) -> Any:
    option = typer.Option(
        *names,
        envvar=PROFILE_VARIABLE,
        help="Profile that names the service and has its key, in place of --server and --api-key.",
        show_default=False,
    )
    return Annotated[str | None, option]


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes ``server`` and ``api_key``, the option ``--profile`` that has both."""
    return _with_profile(command, _option(*NAMES))


def on_server_with_spec(command: Callable[..., None]) -> Callable[..., None]:
    """The same of a command that takes a spec, whose profile is another one: ``--server-profile``."""
    return _with_profile(command, _option(NAMES[0]))


def _with_profile(command: Callable[..., None], annotation: Any) -> Callable[..., None]:
    own = inspect.signature(command, eval_str=True)

    @wraps(command)
    def run(**given: Any) -> None:
        chosen, context = given.pop(PROFILE, None), given.pop(CONTEXT)
        if chosen and not _is_overruled(context):
            found = find_profile(chosen)
            given |= {SERVER: found.server, KEY: found.api_key}
        command(**given)

    context = inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    option = inspect.Parameter(PROFILE, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own.parameters.values()]
    last = next((place + 1 for place, one in enumerate(named) if one.name == KEY), len(named))
    run.__signature__ = own.replace(parameters=[context, *named[:last], option, *named[last:]])  # type: ignore[attr-defined]
    run.__annotations__ = {}  # what typer reads is the signature
    return run


def _is_overruled(context: typer.Context) -> bool:
    """Whether the command line names a server or a key, and a variable alone the profile.

    A key is for one server and is never sent to another: a profile and an address from the same place are refused.

    Raises:
        SpecError: if both come from the command line, or both from variables.
    """
    sources = {name: _source(context, name) for name in (SERVER, KEY, PROFILE)}
    on_line = [name for name in (SERVER, KEY) if sources[name] == "COMMANDLINE"]
    by_variable = [name for name in (SERVER, KEY) if sources[name] == "ENVIRONMENT"]
    if sources[PROFILE] == "COMMANDLINE":
        if on_line:
            raise SpecError("a profile has a server and its key; leave out --server and --api-key, or the profile")
        return False
    if on_line:
        return True
    if by_variable:
        variables = " and ".join(f"PRIMESVT_{name.upper()}" for name in by_variable)
        raise SpecError(f"{PROFILE_VARIABLE} and {variables} are set, and may name two servers; unset one of them")
    return False


def _source(context: typer.Context, name: str) -> str:
    """Where a value comes from: ``COMMANDLINE``, ``ENVIRONMENT``, ``DEFAULT`` ..."""
    found = context.get_parameter_source(name)
    return "" if found is None else found.name
