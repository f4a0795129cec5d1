"""Plug-ins in a package of one's own: that of docs/plugins.md, installed beside PrimeSVT, passes the suites."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.pages import shown
from tests.support.smallnet import write_checkpoint

PRIMESVT = """
import json, sys
from primesvt_client.commands.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["primesvt", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    print(end="\\0")
"""
"""One command after another: every process would load torch again."""

LEAST_TESTS = 35


@dataclass(frozen=True)
class Environment:
    """A Python of its own, which sees what this one sees, and one package more."""

    python: Path
    package: Path

    def run(self, *args: str, seconds: float = 240) -> str:
        """Standard output of a run that must succeed."""
        command = [str(self.python), *args]
        done = subprocess.run(
            command, cwd=self.package, capture_output=True, text=True, check=False, timeout=seconds, env=_without_path()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def primesvt(self, *commands: tuple[str, ...]) -> list[str]:
        """What each command prints."""
        return self.run("-c", PRIMESVT, json.dumps(commands)).split("\0")[:-1]


def _without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def lay_out(folder: Path) -> None:
    files = {**shown("plugins.md"), "acme/smallnet.py": shown("families.md")["smallnet.py"], "acme/__init__.py": ""}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Nothing is downloaded: pip and what builds the package are this environment's."""
    folder = tmp_path_factory.mktemp("own")
    lay_out(folder / "acme-svt")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True, timeout=120)
    [packages] = (folder / "env" / "lib").glob("python*/site-packages")
    seen = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "beside.pth").write_text(f"import site; [*map(site.addsitedir, {seen!r})]\n", encoding="utf-8")
    made = Environment(folder / "env" / "bin" / "python", folder / "acme-svt")
    made.run(
        "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation",
        "--no-index", "--no-cache-dir", str(made.package),
    )  # fmt: skip
    return made


@pytest.mark.thorough
def test_the_suites_pass_there(environment: Environment) -> None:
    output = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "tests")
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None
    assert int(passed[1]) >= LEAST_TESTS
    assert "skipped" not in output


def test_its_plug_ins_are_offered(environment: Environment) -> None:
    code = "import json; from primesvt_core.registry import *; print(json.dumps({k: available(k) for k in ATTRIBUTES}))"
    found = json.loads(environment.run("-c", code))
    wanted = {
        "families": "smallnet", "policies": "gentle", "criteria": "strongest", "repairs": "rescale",
        "exporters": "listing",
    }  # fmt: skip
    assert {kind for kind, key in wanted.items() if key not in found[kind]} == set()
    [told] = environment.primesvt(("compress", "--help"))
    assert "gentle" in told


@pytest.mark.thorough
def test_the_commands_use_them(environment: Environment, tmp_path: Path) -> None:
    checkpoint, data, out = tmp_path / "model.pth", tmp_path / "data.npz", tmp_path / "out"
    write_checkpoint(checkpoint, data)
    (tmp_path / "spec.yaml").write_text("splits: {calibration_images: 4, search_images: 12, confirmation_images: 24}\n")
    listing, model = tmp_path / "model.json", str(out / "model.safetensors")
    inspected, compressed, _ = environment.primesvt(
        ("inspect", str(checkpoint), "--json"),
        (
            "compress", str(checkpoint), "--data", str(data), "--out", str(out), "--json", "--rates", "0.25,0.5",
            "--min-memory-saving", "0.1", "--policy", "gentle", "--policy-param", "rounds=2",
            "--criterion", "strongest", "--spec", str(tmp_path / "spec.yaml"),
        ),
        ("export", model, "--to", "listing", "--out", str(listing)),
    )  # fmt: skip
    assert json.loads(inspected)["family"] == "smallnet"
    report = json.loads(compressed)
    asked = report["spec"]
    assert (asked["policy"], asked["policy_params"], asked["criterion"]) == ("gentle", {"rounds": 2}, "strongest")
    assert (report["family"], report["verdict"]) == ("smallnet", "met")
    assert json.loads(listing.read_text())["parameter_bytes"] == report["pruned"]["parameter_bytes"]
