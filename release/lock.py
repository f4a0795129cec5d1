"""Write ``requirements.lock``: what images and releases install, each file by its SHA-256. ``make lock`` runs it.

``constraints.txt`` says which versions; uv asks the package index for the digests of their files. torch, torchvision
and torchaudio are left out, with what only they need: an image takes them from the index of its hardware, whose files
differ (docs/decisions/0040).
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from release.stages import ReleaseError, call, say

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PYTHON = "3.12"
"""Of the image (Dockerfile)."""

OWN = ("primesvt", "primesvt-client", "primesvt-service")
OF_THE_HARDWARE = ("torch", "torchvision", "torchaudio")
EXTRAS = {"primesvt": ("fast", "parquet")}
HEAD = """\
# What images and releases install, by digest: pip install --require-hashes -r requirements.lock
# Written by `make lock` from constraints.txt and the dependencies of the three distributions; not by hand.
"""


def needed() -> list[str]:
    """What the three distributions need of others, as they declare it."""
    found: set[str] = set()
    for folder in (ROOT / "distributions/primesvt-client", ROOT / "distributions/primesvt", ROOT):
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        extras = [project["optional-dependencies"][extra] for extra in EXTRAS.get(project["name"], ())]
        found |= {line for lines in (project["dependencies"], *extras) for line in lines}
    return sorted(line for line in found if not is_of(line, OWN))


def is_of(requirement: str, names: Iterable[str]) -> bool:
    """Whether a line asks for one of these distributions."""
    name = requirement.partition(";")[0]
    for sign in "[=<>!~ ":
        name = name.partition(sign)[0]
    return name.strip().lower().replace("_", "-") in names


def pinned(lock: str) -> Iterator[tuple[str, str, int]]:
    """Name, version and number of digests of everything in a lock."""
    for block in lock.replace("\\\n", " ").splitlines():
        line = block.strip()
        if line and not line.startswith("#"):
            name, _, rest = line.partition("==")
            yield name, rest.split()[0].rstrip(";"), rest.count("--hash=sha256:")


def compiled(uv: Path) -> str:
    """The lock, without its head.

    Raises:
        ReleaseError: uv found no set of files, or the index has no digests.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, hidden = Path(folder) / "asked.in", []
        asked.write_text("\n".join(needed()) + "\n", "utf-8")
        for name in OF_THE_HARDWARE:
            hidden += ["--no-emit-package", name]
        lock = call(
            [uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--python-version",
             PYTHON, "--python-platform", "linux", "--constraints", ROOT / "constraints.txt", *hidden, asked],
            Path(folder),
        )  # fmt: skip
    lock = "\n".join(kept_lines(lock)) + "\n"
    bare = [name for name, _, digests in pinned(lock) if not digests]
    if bare:
        raise ReleaseError(f"the index tells no digest of {', '.join(bare)}: requirements.lock is left as it is")
    return lock


def kept_lines(lock: str) -> Iterator[str]:
    """The lines of what an image needs beside the wheels of its hardware, which bring CUDA's own packages."""
    is_kept = True
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            name = line.partition("==")[0]
            of_cuda = name.startswith(("nvidia-", "cuda-")) and name != "nvidia-ml-py"
            is_kept = not (of_cuda or name == "triton")
        if is_kept and not line.startswith("#"):
            yield line


def main(arguments: list[str]) -> int:
    """Write the lock; the first argument is uv."""
    try:
        lock = compiled(Path(arguments[0]))
    except ReleaseError as error:
        say(str(error))
        return 1
    LOCK.write_text(HEAD + lock, "utf-8")
    say(f"{LOCK.name}: {sum(1 for _ in pinned(lock))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
