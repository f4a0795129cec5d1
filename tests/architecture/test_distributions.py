"""Three distributions of one version: each declares what it imports, and the client needs nothing of the others."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from primesvt_client.version import __version__

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "primesvt-client": ROOT / "distributions" / "primesvt-client",
    "primesvt": ROOT / "distributions" / "primesvt",
    "primesvt-service": ROOT,
}
PACKAGES = {
    "primesvt-client": ("primesvt_client",),
    "primesvt": ("primesvt", "primesvt_core"),
    "primesvt-service": ("app", "worker", "migrations"),
}
NAMES = sorted(FOLDERS)
SUITES = ROOT / "primesvt_core" / "testing"
"""What it imports besides, the extra ``testing`` brings."""

OF_ITS_OWN = {package: name for name, packages in PACKAGES.items() for package in packages}


def project(name: str) -> dict[str, Any]:
    document = tomllib.loads((FOLDERS[name] / "pyproject.toml").read_text())
    found: dict[str, Any] = document["project"]
    return found


FOR_TYPES = {"pandas": ["pandas"]}
"""Imported for type checkers alone, and by name where it is used; an extra brings it."""

WITH_CUDA = {"triton": ["triton"]}
"""Comes with torch's builds for CUDA, and is asked for where there is one alone."""


def distribution(requirement: str) -> str:
    """The distribution that a requirement names."""
    return canonicalize_name(Requirement(requirement).name)


def imported(package: str) -> set[str]:
    """Top-level modules that a package imports anywhere but in `SUITES`."""
    return imported_by(path for path in (ROOT / package).rglob("*.py") if SUITES not in path.parents) - {package}


def imported_by(files: Iterable[Path]) -> set[str]:
    """Top-level modules that files import, those of the standard library left out."""
    found: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    found |= {name.name.partition(".")[0] for name in names}
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module.partition(".")[0])
    return found - sys.stdlib_module_names


@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_declares_what_it_imports(name: str) -> None:
    declared = {distribution(requirement) for requirement in project(name)["dependencies"]}
    optional = project(name).get("optional-dependencies", {})
    extras = ("fast", "parquet", "frames", "onnx")
    declared |= {distribution(r) for extra in extras for r in optional.get(extra, ())}
    installed = {**WITH_CUDA, **FOR_TYPES, **packages_distributions()}
    needed = {
        OF_ITS_OWN.get(module) or canonicalize_name(installed[module][0])
        for package in PACKAGES[name]
        for module in imported(package)
    }
    assert needed - declared - {name} == {*WITH_CUDA} & needed


def test_the_extra_of_the_suites_is_what_they_import_besides() -> None:
    library = project("primesvt")
    declared = {distribution(r) for r in (*library["dependencies"], *library["optional-dependencies"]["testing"])}
    installed = packages_distributions()
    modules = imported_by(SUITES.rglob("*.py")) - {"primesvt_core"}
    needed = {canonicalize_name(installed[module][0]) for module in modules}
    assert needed - declared == set()
    assert needed >= {distribution(r) for r in library["optional-dependencies"]["testing"]}


USERS = {
    "frames": ["primesvt_core/report/rows.py"],
    "fast": ["primesvt_core/engines/native.py", "primesvt_core/engines/vector_loops.py"],
    "parquet": ["primesvt_core/data/formats/parquet.py"],
    "onnx": [
        "primesvt_core/exporters/_onnx_graph.py",
        "primesvt_core/exporters/_onnx_neurons.py",
        "primesvt_core/exporters/_onnx_session.py",
    ],
}


@pytest.mark.parametrize("extra", USERS)
def test_what_an_extra_brings_is_imported_where_it_is_used_alone(extra: str) -> None:
    """So that whoever has not installed it notices nothing but the time, or that such data sets are refused."""
    brought = {distribution(requirement) for requirement in project("primesvt")["optional-dependencies"][extra]}
    users = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "primesvt_core").rglob("*.py")
        if brought & imported_by([path])
    ]
    assert sorted(users) == USERS[extra]
    assert brought <= {
        distribution(requirement) for requirement in project("primesvt-service")["optional-dependencies"]["dev"]
    }


def test_all_have_one_version() -> None:
    pins = {
        requirement
        for name in NAMES
        for requirement in project(name)["dependencies"]
        if distribution(requirement) in FOLDERS
    }
    assert pins == {f"primesvt-client=={__version__}", f"primesvt=={__version__}"}
    for name in NAMES:
        assert project(name)["dynamic"] == ["version"]
    compose = (ROOT / "docker-compose.yml").read_text()
    for image in ("api", "worker"):
        assert f"primesvt-{image}:${{PRIMESVT_VERSION:-{__version__}}}" in compose
    assert f"\nPRIMESVT_VERSION={__version__}\n" in (ROOT / ".env.example").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_dependency_has_a_range_and_an_exact_pin(name: str) -> None:
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {canonicalize_name(pin) for pin in pins}
    for requirement in project(name)["dependencies"]:
        if distribution(requirement) not in FOLDERS:
            assert ">=" in requirement
            assert "==" not in requirement.partition(";")[0]
            assert distribution(requirement) in pinned, requirement


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_license_are_its_own(name: str) -> None:
    commands = project(name)["entry-points"]["primesvt.commands"]
    assert commands
    assert {target.partition(".")[0] for target in commands.values()} <= {*PACKAGES[name]}
    assert (FOLDERS[name] / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def closure(name: str) -> set[str]:
    """A distribution and everything that it needs, without extras."""
    found, waiting = set[str](), [name]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            needed = map(Requirement, requires(one) or ())
            waiting += [canonicalize_name(r.name) for r in needed if r.marker is None or r.marker.evaluate()]
    return found


def others(name: str) -> Iterator[str]:
    """Installed top-level modules that are not there where only this distribution is."""
    there = closure(name)
    for module, owners in packages_distributions().items():
        if not there & {canonicalize_name(owner) for owner in owners}:
            yield module
    yield from (package for package, owner in OF_ITS_OWN.items() if owner not in there)


ALONE = """
import importlib, pkgutil, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import primesvt_client
for module in pkgutil.walk_packages(primesvt_client.__path__, "primesvt_client."):
    importlib.import_module(module.name)
"""


def test_the_client_needs_its_own_dependencies_only() -> None:
    absent = {*others("primesvt-client")}
    assert {"torch", "sqlalchemy", "numpy", "fastapi", "celery", "app", "worker", "primesvt_core"} <= absent
    code = f"ABSENT = {absent!r}\n{ALONE}"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
