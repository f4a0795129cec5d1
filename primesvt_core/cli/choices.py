"""The plug-ins of this machine, in the help of the options that choose them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from typing import Annotated, get_args

from primesvt_client.inputs import Input
from primesvt_core.errors import SpecError
from primesvt_core.spec import PLUGINS, plugin_choices

OPTIONS: Mapping[str, Input] = {**PLUGINS, "kind": Input(plugins="exporters")}
"""Parameters of commands that choose a plug-in."""


def lists_choices(command: Callable[..., None]) -> Callable[..., None]:
    """Let the help of a command's options say which plug-ins there are."""
    signature = inspect.signature(command, eval_str=True)
    parameters = [
        parameter.replace(annotation=_listing(parameter.annotation, OPTIONS[name])) if name in OPTIONS else parameter
        for name, parameter in signature.parameters.items()
    ]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {}  # what typer reads is the signature
    return command


def _listing(annotation: object, how: Input) -> object:
    """The annotation of an option, its help followed by the keys."""
    try:
        keys = plugin_choices(how)
    except SpecError:  # the command says so where it needs one of them; help must come without
        return annotation
    form, option = get_args(annotation)
    option = copy(option)
    option.help = f"{option.help.rstrip('.')}; there are: {', '.join(keys)}."
    return Annotated[form, option]
