"""The plug-ins of this machine, in the help of the options that choose them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from typing import Annotated, get_args

from primesvt_core import registry
from primesvt_core.errors import SpecError

OPTIONS: Mapping[str, str] = {"policy": "policies", "criterion": "criteria", "kind": "exporters"}
"""Parameters of commands, and the kind of plug-in that each chooses."""


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


def _listing(annotation: object, kind: str) -> object:
    """The annotation of an option, its help followed by the keys."""
    try:
        keys = registry.available(kind)
    except SpecError:  # the command says so where it needs one of them; help must come without
        return annotation
    form, option = get_args(annotation)
    option = copy(option)
    option.help = f"{option.help.rstrip('.')}; there are: {', '.join(keys)}."
    return Annotated[form, option]
