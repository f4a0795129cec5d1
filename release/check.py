"""Builds the three distributions of what is committed and tries each, alone: ``python -m release.check``.

A clean clone, sdists, wheels, a clean environment for each wheel; then what only an installed one shows: `inspect` of
the library, a job that the client submits, the service's dashboard and `primesvt demo` outside of the clone.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from primesvt_client.version import __version__
from release import building
from release.environments import Environment, check_commands, install
from release.footprint import check_import, check_size
from release.serving import RESULTS, check_job, check_page, served
from release.stages import ReleaseError, attempt, need, say, stage

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "dist"
CLIENT, LIBRARY, SERVICE = (distribution.name for distribution in building.DISTRIBUTIONS)
COMMANDS = {
    CLIENT: ("submit", "status", "download"),
    LIBRARY: ("inspect", "compress", "check-family"),
    SERVICE: ("serve", "demo"),
}
BESIDE_THE_CLIENT = ("primesvt_core", "torch", "sqlalchemy", "numpy", "app", "worker", "migrations", "fastapi")
BESIDE_THE_LIBRARY = ("app", "worker", "migrations", "celery", "fastapi", "sqlalchemy")


def main() -> int:
    """Check, and say what came of it."""
    began = time.monotonic()
    if attempt(("git", "status", "--porcelain", "--untracked-files=no"), ROOT).stdout:
        say("what is not committed is not checked")
    try:
        with tempfile.TemporaryDirectory(prefix="primesvt-release-") as scratch:
            _check(Path(scratch))
    except ReleaseError as error:
        say(f"failed\n{error}")
        return 1
    say(f"all three can be released as {__version__}: {time.monotonic() - began:.0f} s in all")
    return 0


def _check(scratch: Path) -> None:
    clone, out, elsewhere = scratch / "clone", scratch / "dist", scratch / "elsewhere"
    elsewhere.mkdir()
    with stage("cloning what is committed"):
        building.clone(ROOT, clone)
    with stage("a wheel of the service without the dashboard's scripts must not be built"):
        building.refuse_to_build_without_scripts(clone, scratch / "refused")
    with stage("building the dashboard's scripts"):
        building.build_scripts(clone)
    with stage("building sdists, and wheels of them"):
        wheels = building.build_all(clone, out)
    client = _installed(CLIENT, wheels, (CLIENT,), clone, elsewhere)
    library = _installed(LIBRARY, wheels, (CLIENT, LIBRARY), clone, elsewhere)
    service = _installed(SERVICE, wheels, (CLIENT, LIBRARY, SERVICE), clone, elsewhere)
    with stage("the client has neither torch nor SQLAlchemy, the library no service"):
        check_commands(client, __version__, COMMANDS[CLIENT], COMMANDS[LIBRARY] + COMMANDS[SERVICE])
        check_commands(library, __version__, COMMANDS[CLIENT] + COMMANDS[LIBRARY], COMMANDS[SERVICE])
        check_commands(service, __version__, [name for names in COMMANDS.values() for name in names], ())
        need(not (found := client.has(BESIDE_THE_CLIENT)), f"the client brings {found}")
        need(not (found := library.has(BESIDE_THE_LIBRARY)), f"the library brings {found}")
    with stage("the library is small beside torch and spikingjelly, and is imported at once"):
        say(f"{sum(check_size(library).values()):,} bytes, {check_import(library):.3f} s ... ", end="")
    examples = clone / "examples"
    with stage("the library inspects a checkpoint"):
        found = library.document("inspect", examples / "spikformer-digits.pth.tar")
        need(found["family"] == "spikformer", f"it is taken for {found['family']}")
    with served(service, elsewhere / "data") as server:
        with stage("the service shows its dashboard with style and scripts"):
            check_page(server)
        with stage("the client submits a job and downloads its results"):
            check_job(client, server, examples, elsewhere / "job")
    with stage("the service runs its demo outside of the clone"):
        service.primesvt("demo", "--out", elsewhere / "demo")
        need(all((elsewhere / "demo" / name).is_file() for name in RESULTS), "the demo leaves no results")
    _keep(out)


def _keep(built: Path) -> None:
    """Leave what was checked in ``dist/``, to be uploaded."""
    KEPT.mkdir(exist_ok=True)
    for file in (*built.glob("*.tar.gz"), *built.glob("*.whl")):
        shutil.copy2(file, KEPT)
        say(f"  {KEPT.name}/{file.name}")


def _installed(
    name: str, wheels: Mapping[str, Path], needed: tuple[str, ...], clone: Path, elsewhere: Path
) -> Environment:
    with stage(f"installing {name} into an environment of its own"):
        return install(elsewhere.parent / name, elsewhere, [wheels[one] for one in needed], clone / "constraints.txt")


if __name__ == "__main__":
    sys.exit(main())
