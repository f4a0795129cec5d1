"""A family of one's own: one file dropped into a folder, here the example of docs/families.md, conforms as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import shown
from tests.support.smallnet import write_golden

ROOT = Path(__file__).resolve().parents[2]
CONFORMANCE = ("test_families.py", "test_random_plans.py", "test_family_pipeline.py")
LEAST_TESTS = 12


@pytest.mark.thorough  # tests/conformance/test_own_package.py has the same family in a package
def test_the_documented_example_conforms_without_another_line(tmp_path: Path) -> None:
    families, golden = tmp_path / "families", tmp_path / "golden"
    families.mkdir()
    golden.mkdir()
    (families / "smallnet.py").write_text(shown("families.md")["smallnet.py"], encoding="utf-8")
    write_golden(golden)
    files = [str(ROOT / "tests" / "conformance" / name) for name in CONFORMANCE]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "smallnet", *files]
    env = {**os.environ, "PRIMESVT_FAMILIES": str(families), "PRIMESVT_GOLDEN": str(golden)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= LEAST_TESTS
    assert "skipped" not in done.stdout
