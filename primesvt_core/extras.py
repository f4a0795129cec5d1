"""What only some need, and a small installation does not bring: the extras of the distribution."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from primesvt_core.errors import MissingExtra


def needed(module: str, extra: str, what: str) -> ModuleType:
    """A module that an extra of the distribution brings.

    Args:
        module: its name.
        extra: that brings it.
        what: needs it, for people.

    Raises:
        MissingExtra: it is not installed; with what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and lacks something itself
        raise MissingExtra(f"{what} needs {module}, which is not installed: pip install 'primesvt[{extra}]'") from None
