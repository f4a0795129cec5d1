"""The image of the API: built of files that there are, and enough for its processes, which start without torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings
from release.lock import LOCK, pinned
from release.slim import OF_COMPUTING, SLIM, blocks, slim

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FORBIDDEN = ("torch", "torchvision", "spikingjelly", "triton", "tensorboard", "matplotlib", "PIL", "numba", "pyarrow")

WITHOUT = """
import re, sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions

kept = set(sys.argv[1].split(",")) | {"primesvt", "primesvt-client", "primesvt-service"}
own = {"app", "worker", "primesvt_core", "primesvt_client", "migrations"}
there = {top: {re.sub("[._]", "-", name).lower() for name in names} for top, names in packages_distributions().items()}

class Slim(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top in there and top not in own and not there[top] & kept:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Slim())
"""
"""Imports nothing but what the image has: the first argument names it."""

STARTS = """
import asyncio, httpx
from app.main import create
import worker.reconciler
application = create()

async def ask():
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/livez", "/api/v1/plugins", "/api/v1/spec/schema", "/api/v1/report/schema", "/sign-in"):
            answer = await client.get(path)
            print(path, answer.status_code)

asyncio.run(ask())
"""
MAKES_A_KEY = """
from primesvt_client.commands.main import main
sys.argv = ["primesvt", *sys.argv[2:]]
main()
"""


def in_the_image(code: str, tmp_path: Path, *words: str) -> str:
    names = ",".join(name for name, _, _ in pinned(SLIM.read_text()))
    env = {**os.environ, **Settings(data_dir=tmp_path / "data", broker_url="memory://").environment()}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT + code, names, *words], env=env, capture_output=True, text=True,
        check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_api_starts_and_answers_with_what_its_image_has(tmp_path: Path) -> None:
    told = in_the_image(STARTS, tmp_path)
    answers = dict(line.split() for line in told.splitlines() if line.startswith("/"))
    assert len(answers) == 5
    assert {*answers.values()} == {"200"}


@pytest.mark.parametrize("words", [("keys", "create", "first"), ("--help",)], ids=" ".join)
def test_operators_commands_work_in_it(words: tuple[str, ...], tmp_path: Path) -> None:
    assert in_the_image(MAKES_A_KEY, tmp_path, *words)


def test_the_test_itself_hides_what_computes(tmp_path: Path) -> None:
    tries = "".join(
        f"try:\n    import {name}\nexcept ModuleNotFoundError:\n    print('{name}')\n" for name in FORBIDDEN
    )
    assert in_the_image(tries, tmp_path).split() == [*FORBIDDEN]


def test_the_slim_lock_is_the_part_of_the_lock_that_does_not_compute() -> None:
    assert SLIM.read_text() == slim(LOCK.read_text())
    whole, part = blocks(LOCK.read_text()), blocks(SLIM.read_text())
    assert part.items() < whole.items()
    assert not part.keys() & {*OF_COMPUTING}
    assert {"fastapi", "uvicorn", "sqlalchemy", "psycopg-binary", "celery", "boto3", "scipy"} <= part.keys()


def stage(name: str) -> str:
    """The lines of one stage."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found.group(1)


def copied(name: str) -> set[str]:
    """What a stage takes from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", stage(name), re.MULTILINE)
    return {word for line in lines for word in line.split()}


def test_the_images_are_built_of_all_that_the_wheels_are_built_of() -> None:
    sources = copied("sources")
    assert {"distributions", "primesvt_client", "primesvt_core", "app", "worker", "migrations", "examples"} <= sources
    assert {"constraints.txt", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= sources
    everything = {path for name in ("sources", "api-build", "worker-build") for path in copied(name)}
    assert [path for path in sorted(everything) if not (ROOT / path).exists()] == []
    assert not everything & {*(ROOT / ".dockerignore").read_text().split()}
    assert "./distributions/primesvt-client ./distributions/primesvt ." in stage("sources")


@pytest.mark.parametrize(("image", "lock"), [("api", SLIM.name), ("worker", LOCK.name)])
def test_every_image_installs_its_lock_by_digest_and_the_wheels(image: str, lock: str) -> None:
    build = stage(f"{image}-build")
    assert f"RUN pip install --no-deps --require-hashes -r {lock}\n" in build
    assert build.index(lock) < build.index("/wheels/*.whl")
    assert lock in copied(f"{image}-build")
    assert ("torch" in re.sub(r"(?m)^#.*|'torch'", "", build)) is (image == "worker")
    assert f"COPY --from={image}-build /opt/primesvt /opt/primesvt" in stage(image)


def test_stages_follow_each_other_and_the_images_run_as_a_user_of_their_own() -> None:
    known: set[str] = set()
    for base, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE):
        assert base in known or base.startswith("python:")
        assert {*re.findall(r"--from=(\S+)", stage(name))} <= known
        known.add(name)
    assert "\nUSER 10001:10001\n" in stage("runtime")
    assert set(re.findall(r"PRIMESVT_[A-Z_]+", DOCKERFILE)) <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert (ROOT / "worker" / "__main__.py").is_file()
    assert re.findall(r"^CMD (.*)$", stage("worker"), re.MULTILINE) == ['["python", "-m", "worker"]']
