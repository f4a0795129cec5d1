"""Every bad and awkward file of the corpus: the wanted verdict, a stable code, nothing run, and little spent on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.support.corpus import CANARY, CODE_OF, CORPUS, MANIFEST
from tests.support.shared import needs_shared

pytestmark = needs_shared

REPOSITORY = Path(__file__).resolve().parents[3]
MOST_SECONDS = 5.0
MOST_MIB = 300.0

# Reads every file in a fork of its own, so that each has a bound on memory and time and may crash alone.
DRIVER = """
import json, os, resource, sys, time
from pathlib import Path
from primesvt_core.checkpoints import CheckpointRefused, normalise, read

def status(field):
    line = next(line for line in open("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) * 1024

def child(path, out, most_seconds, most_bytes):
    limit = status("VmSize:") + most_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (most_seconds + 1, most_seconds + 2))
    before, start, expected = status("VmRSS:"), time.monotonic(), {}
    try:
        checkpoint = read(path)
        normalise(checkpoint, out)
        expected = {"verdict": "accept", "tensors": {k: list(v.shape) for k, v in checkpoint.tensors.items()}}
    except CheckpointRefused as error:
        expected = {"verdict": "reject", "code": error.error_code, "message": error.message}
    expected |= {"seconds": time.monotonic() - start, "mib": (status("VmHWM:") - before) / 2**20}
    return expected

corpus, outputs, seconds, mib = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for name in json.loads((corpus / "manifest.json").read_text()):
    sys.stdout.flush()
    process = os.fork()
    if not process:
        expected = child(corpus / name, outputs / (name + ".safetensors"), seconds, mib * 2**20)
        print(json.dumps({"name": name, **expected}), flush=True)
        os._exit(0)
    _, state = os.waitpid(process, 0)
    if state:
        print(json.dumps({"name": name, "verdict": f"died with {state}"}), flush=True)
"""

Told = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("normalised")


@pytest.fixture(scope="module")
def expected(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("cwd")
    command = [sys.executable, "-c", DRIVER, str(CORPUS), str(outputs), str(int(MOST_SECONDS)), str(int(MOST_MIB))]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir()), "something in the corpus was executed"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_file_gets_the_wanted_verdict_and_code(name: str, expected: Told) -> None:
    result = expected[name]
    assert result["verdict"] == MANIFEST[name]["want"].split("-")[0], result
    assert result.get("code") == CODE_OF.get(name), result
    if "code" in result:
        message = str(result["message"])
        assert 20 <= len(message) <= 400, message
        assert message.isprintable(), message


@pytest.mark.parametrize("name", MANIFEST)
def test_a_file_costs_little(name: str, expected: Told) -> None:
    seconds, mib = expected[name]["seconds"], expected[name]["mib"]
    assert isinstance(seconds, float)
    assert isinstance(mib, float)
    assert seconds <= MOST_SECONDS
    assert mib <= MOST_MIB


@pytest.mark.parametrize("name", [n for n, entry in MANIFEST.items() if entry["want"] != "reject"])
def test_an_accepted_file_is_normalised(name: str, expected: Told, outputs: Path) -> None:
    arrays = load_file(outputs / f"{name}.safetensors")
    assert {k: list(v.shape) for k, v in arrays.items()} == expected[name]["tensors"]
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_nothing_was_executed(expected: Told) -> None:
    assert expected
    assert not [place for place in (CORPUS, REPOSITORY, Path.cwd()) if (place / CANARY).exists()]


def test_every_refused_file_has_its_code() -> None:
    assert set(CODE_OF) == {name for name, entry in MANIFEST.items() if entry["want"] == "reject"}
