"""serve: the service on this machine."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.database import DEFAULT_FOLDER, DataDir
from primesvt_client.commands.api_options import KEY_VARIABLE, SERVER_VARIABLE
from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json

if TYPE_CHECKING:
    from app.embedded import Running

LOOK_SECONDS = 0.5


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Run the service on this machine: API, dashboard, queue, one worker. Ctrl-C stops it; the next start resumes
    unfinished jobs.
    """
    from app import logs  # imports what --help does without
    from app.embedded import Place, running
    from app.hardening import hide_memory

    hide_memory()  # it holds the settings of all parts
    logs.configure("WARNING", as_json=False)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background processes ignore the first otherwise
        signal.signal(number, _interrupt)
    try:
        with err.status("starting") as waiting, running(Place(data_dir, host, port)) as found:
            waiting.stop()
            _announce(found, json=json)
            while True:
                time.sleep(LOOK_SECONDS)
                found.check()
    except KeyboardInterrupt:
        err.print("stopped; the next start resumes unfinished jobs")


def _announce(found: Running, *, json: bool) -> None:
    if json:
        print_json({"server": found.address, "api_key": found.first_key, "data_dir": str(found.settings.data_dir)})
        return
    out.print(f"PrimeSVT serves at [bold]{found.address}[/]; Ctrl-C stops it")
    if found.first_key:
        out.print("\nThe first API key (shown only once):\n")
        out.print(f"    export {SERVER_VARIABLE}={found.address}", soft_wrap=True)
        out.print(f"    export {KEY_VARIABLE}={found.first_key}\n", soft_wrap=True)
        out.print("Invite the first member who signs in with a password:\n")
        folder = f" --data-dir {found.settings.data_dir}"
        out.print(f"    primesvt members add you@example.org --role admin{folder}\n", soft_wrap=True, markup=False)
    out.print(f"data and logs: {found.settings.data_dir}", markup=False, soft_wrap=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
