"""The Python client: uploads, jobs and downloads, over a PrimeSVT server's REST API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from primesvt_client.version import __version__

if TYPE_CHECKING:
    from primesvt_client.client import Client
    from primesvt_client.errors import ClientError, Damaged, ServerError, Unreachable, Unusable
    from primesvt_client.job import Job

__all__ = ["Client", "ClientError", "Damaged", "Job", "ServerError", "Unreachable", "Unusable", "__version__"]


def __getattr__(name: str) -> object:
    """Import on first use: the command line and the library use parts of this package without the client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"Client": "primesvt_client.client", "Job": "primesvt_client.job"}
    return getattr(import_module(homes.get(name, "primesvt_client.errors")), name)
