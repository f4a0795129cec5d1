"""From a clean clone to sdists and wheels, and whether the wheels hold what they must."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.stages import attempt, call, need

VENDOR = "app/web/static/vendor"
SCRIPTS = frozenset({f"{VENDOR}/app.js", f"{VENDOR}/charts.js"})
SITE = "app/web/site"
PAGES = frozenset({f"{SITE}/index.html", f"{SITE}/inline-scripts.txt"})
EXAMPLE = frozenset({"app/commands/example/digits.npz", "app/commands/example/spikformer-digits.pth.tar"})
SOURCES = "app/web/assets/"
"""Of the scripts; a wheel holds what is built of them."""


@dataclass(frozen=True)
class Distribution:
    """One of the three: where it is described, and which packages it holds."""

    name: str
    folder: str
    packages: tuple[str, ...]
    extras: frozenset[str] = frozenset()
    """What its wheel holds that git does not, at these paths."""


DISTRIBUTIONS = (
    Distribution("primesvt-client", "distributions/primesvt-client", ("primesvt_client",)),
    Distribution("primesvt", "distributions/primesvt", ("primesvt", "primesvt_core")),
    Distribution("primesvt-service", ".", ("app", "worker", "migrations"), SCRIPTS | PAGES | EXAMPLE),
)


def clone(repository: Path, target: Path) -> None:
    """What is committed, and nothing else."""
    call(("git", "clone", "--quiet", "--depth", "1", repository.as_uri(), target), repository)


def refuse_to_build_without_scripts(clone: Path, scratch: Path) -> None:
    """A service without its dashboard must not become a wheel.

    Raises:
        ReleaseError: it does.
    """
    done = attempt((sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch), clone)
    need(done.returncode != 0, "a wheel of the service is built without the dashboard's scripts")
    need("app.web.build" in done.stderr, f"the service's wheel is not built for another reason:\n{done.stderr}")


def build_scripts(clone: Path) -> None:
    """The dashboard's scripts, from npm, and the site of the documents."""
    call((sys.executable, "app/web/build.py"), clone)
    call((sys.executable, "app/web/build_site.py"), clone)


def build(distribution: Distribution, clone: Path, out: Path) -> Path:
    """An sdist of the clone, and a wheel of the sdist, which must be the clone's.

    Raises:
        ReleaseError: it is not, or nothing can be built.
    """
    folder, unpacked, again = clone / distribution.folder, out / "unpacked", out / "again"
    _hatchling(folder, "sdist", out)
    stem = distribution.name.replace("-", "_")
    [sdist] = out.glob(f"{stem}-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    _hatchling(unpacked / sdist.name.removesuffix(".tar.gz"), "wheel", out)
    _hatchling(folder, "wheel", again)
    [wheel] = out.glob(f"{stem}-*.whl")
    need(wheel.read_bytes() == (again / wheel.name).read_bytes(), f"{sdist.name} builds another wheel than the clone")
    return wheel


def _hatchling(folder: Path, target: str, out: Path) -> None:
    call((sys.executable, "-m", "hatchling", "build", "-t", target, "-d", out), folder)


def check_contents(distribution: Distribution, wheel: Path, clone: Path) -> None:
    """A wheel holds what git tracks of its packages, and the built extras.

    Raises:
        ReleaseError: something is missing, or there is something else.
    """
    tracked = call(("git", "ls-files", "--", *distribution.packages), clone).splitlines()
    wanted = {path for path in tracked if not path.startswith(SOURCES)} | distribution.extras
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    need(not wanted - found, f"{wheel.name} lacks {', '.join(sorted(wanted - found))}")
    more = {path for path in found - wanted if not path.startswith((f"{VENDOR}/", f"{SITE}/"))}
    need(not more, f"{wheel.name} holds what git does not: {', '.join(sorted(more))}")


def build_all(clone: Path, out: Path) -> Mapping[str, Path]:
    """The wheel of every distribution, by its name."""
    wheels = {}
    for distribution in DISTRIBUTIONS:
        wheels[distribution.name] = build(distribution, clone, out)
        check_contents(distribution, wheels[distribution.name], clone)
    return wheels
