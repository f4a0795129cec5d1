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

from tests.support.shared import SHARED, needs_shared

pytestmark = needs_shared

CORPUS = SHARED / "hostile"
CANARY = "primesvt-canary"
REPOSITORY = Path(__file__).resolve().parents[2]
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
    before, start, told = status("VmRSS:"), time.monotonic(), {}
    try:
        checkpoint = read(path)
        normalise(checkpoint, out)
        told = {"verdict": "accept", "tensors": {k: list(v.shape) for k, v in checkpoint.tensors.items()}}
    except CheckpointRefused as error:
        told = {"verdict": "reject", "code": error.error_code, "message": error.message}
    told |= {"seconds": time.monotonic() - start, "mib": (status("VmHWM:") - before) / 2**20}
    return told

corpus, outputs, seconds, mib = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for name in json.loads((corpus / "manifest.json").read_text()):
    sys.stdout.flush()
    process = os.fork()
    if not process:
        told = child(corpus / name, outputs / (name + ".safetensors"), seconds, mib * 2**20)
        print(json.dumps({"name": name, **told}), flush=True)
        os._exit(0)
    _, state = os.waitpid(process, 0)
    if state:
        print(json.dumps({"name": name, "verdict": f"died with {state}"}), flush=True)
"""

MANIFEST: dict[str, dict[str, str]] = json.loads((CORPUS / "manifest.json").read_text()) if CORPUS.is_dir() else {}

CODES = {
    "not_a_checkpoint": """
        exec_raw_pickle.pth exec_raw_pickle_p4.pth gzipped.pth legacy_huge_string.pth lfs_pointer.pth one_byte.pth
        plain_zip.pth polyglot_html_zip.pth random.pth st_not_json.safetensors tar_traversal.pth.tar""",
    "damaged": """
        alignment_zero.pth bitflip_data.pth legacy_8gib_storage.pth legacy_giant_storage.pth st_bad_utf8.safetensors
        st_dup_key.safetensors st_offsets_beyond.safetensors truncated_half.pth truncated_legacy.pth
        truncated_tail.pth""",
    "unsafe_pickle": """
        bytearray_bomb.pth cyclic_dict.pth encode_idna.pth exec_beside_weights.pth exec_builtin_eval.pth
        exec_runpy.pth exec_zip.pth st_is_pth.safetensors""",
    "unsafe_archive": """
        exec_dup_entry.pth exec_dup_entry_rev.pth exec_two_roots.pth st_alias_bomb.safetensors st_hole.safetensors
        st_trailing.safetensors st_zero_size_shared.safetensors""",
    "whole_module": "whole_module.pth",
    "torchscript": "torchscript.pt",
    "too_large": """
        billion_laughs.pth deep_list.pth giant_shape_stride0.pth many_tensors.pth st_big_header.safetensors
        st_header_len_100gb.safetensors st_header_len_99mb.safetensors""",
    "bad_tensor": """
        dtype_storage_lie.pth giant_shape_no_data.pth missing_record.pth offset_negative.pth shape_overflow.pth
        shape_overflow_stride0.pth size_beyond_storage.pth size_negative.pth st_begin_after_end.safetensors
        st_shape_lie.safetensors st_shape_overflow.safetensors storage_declared_bigger.pth
        storage_declared_smaller.pth stride_negative.pth""",
    "unsupported_tensor": """
        attr_shadow_tensor.pth conj_bit_float.pth fp8_weights.pth int_weights.pth location_meta.pth meta_tensor.pth
        sparse_bad_index.pth sparse_giant.pth sparse_ok.pth st_bad_dtype.safetensors wrapper_subclass.pth""",
    "not_finite": "st_nan.safetensors",
    "bad_name": "bad_keys.pth non_str_keys.pth st_bad_names.safetensors",
    "no_state_dict": "empty_dict.pth hash_collide.pth top_list.pth top_none.pth top_tensor.pth",
    "ambiguous": "two_candidates.pth",
}
CODE_OF = {name: code for code, names in CODES.items() for name in names.split()}

Told = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("normalised")


@pytest.fixture(scope="module")
def told(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("cwd")
    command = [sys.executable, "-c", DRIVER, str(CORPUS), str(outputs), str(int(MOST_SECONDS)), str(int(MOST_MIB))]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir()), "something in the corpus was executed"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_file_gets_the_wanted_verdict_and_code(name: str, told: Told) -> None:
    result = told[name]
    assert result["verdict"] == MANIFEST[name]["want"].split("-")[0], result
    assert result.get("code") == CODE_OF.get(name), result
    if "code" in result:
        message = str(result["message"])
        assert 20 <= len(message) <= 400, message
        assert message.isprintable(), message


@pytest.mark.parametrize("name", MANIFEST)
def test_a_file_costs_little(name: str, told: Told) -> None:
    seconds, mib = told[name]["seconds"], told[name]["mib"]
    assert isinstance(seconds, float)
    assert isinstance(mib, float)
    assert seconds <= MOST_SECONDS
    assert mib <= MOST_MIB


@pytest.mark.parametrize("name", [n for n, entry in MANIFEST.items() if entry["want"] != "reject"])
def test_an_accepted_file_is_normalised(name: str, told: Told, outputs: Path) -> None:
    arrays = load_file(outputs / f"{name}.safetensors")
    assert {k: list(v.shape) for k, v in arrays.items()} == told[name]["tensors"]
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_nothing_was_executed(told: Told) -> None:
    assert told
    assert not [place for place in (CORPUS, REPOSITORY, Path.cwd()) if (place / CANARY).exists()]


def test_every_refused_file_has_its_code() -> None:
    assert set(CODE_OF) == {name for name, entry in MANIFEST.items() if entry["want"] == "reject"}
