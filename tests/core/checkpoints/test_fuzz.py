"""Whatever is done to a good file, reading it ends in the same tensors or in a refusal, never in another error."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from primesvt_core.checkpoints import Checkpoint, CheckpointRefused, Limits, Refusal, load_arrays, normalise, read
from primesvt_core.checkpoints.pickles import read_pickle

STATE = {"conv.weight": torch.arange(24.0).reshape(2, 3, 4), "bn.num_batches_tracked": torch.tensor(3)}
CONTENT = {"epoch": 1, "state_dict": STATE, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}}

SAVERS: dict[str, Callable[[Path], object]] = {
    "zip": lambda path: torch.save(CONTENT, path),
    "legacy": lambda path: torch.save(CONTENT, path, _use_new_zipfile_serialization=False),
    "safetensors": lambda path: save_file(STATE, path),
}
often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
formats = pytest.mark.parametrize("format_", SAVERS)


def is_presentable(error: CheckpointRefused) -> bool:
    """Whether a refusal can be shown to a user as it is, whatever the file holds."""
    known = error.error_code in {str(code) for code in Refusal}
    return known and error.message.isprintable() and len(error.message) < 500


def attempt(path: Path) -> Checkpoint | None:
    """What is read; None if the file is refused, as it should be."""
    try:
        checkpoint = read(path)
        normalise(checkpoint, path.with_name("normalised.safetensors"))
    except CheckpointRefused as error:
        if not is_presentable(error):
            raise
        return None
    return checkpoint


@pytest.fixture
def original(tmp_path: Path, format_: str) -> bytes:
    path = tmp_path / "original"
    SAVERS[format_](path)
    assert attempt(path)
    return path.read_bytes()


@formats
@often
@given(data=st.data())
def test_flipped_bits(tmp_path: Path, original: bytes, format_: str, data: st.DataObject) -> None:
    changed = bytearray(original)
    for place in data.draw(st.lists(st.integers(0, 8 * len(original) - 1), min_size=1, max_size=4, unique=True)):
        changed[place // 8] ^= 1 << place % 8
    path = tmp_path / "changed"
    path.write_bytes(changed)
    checkpoint = attempt(path)
    if checkpoint and format_ == "zip":  # everything that counts has a checksum
        for name, array in load_arrays(checkpoint).items():
            np.testing.assert_array_equal(array, STATE[name].numpy())


@formats
@often
@given(data=st.data())
def test_lost_repeated_and_inserted_bytes(tmp_path: Path, original: bytes, format_: str, data: st.DataObject) -> None:
    places = st.integers(0, len(original))
    start, end, at = data.draw(st.tuples(places, places, places))
    changed = original[:at] + original[start:end] + data.draw(st.binary(max_size=8)) + original[max(at, end) :]
    path = tmp_path / "changed"
    path.write_bytes(changed)
    attempt(path)


@formats
def test_every_truncation_is_refused(tmp_path: Path, original: bytes, format_: str) -> None:
    path = tmp_path / "short"
    for length in range(0, len(original), 7):
        path.write_bytes(original[:length])
        assert attempt(path) is None, length


NAMES = ("collections OrderedDict", "torch FloatStorage", "torch._utils _rebuild_tensor_v2", "argparse Namespace")
ARGUMENTS = {
    "BININT1": b"\x01", "BINPUT": b"\x00", "BINGET": b"\x00", "LONG_BINPUT": bytes(4), "LONG_BINGET": bytes(4),
    "BININT": b"\xff\xff\xff\xff", "BININT2": b"\x01\x02", "LONG1": b"\x02\x00\x80", "LONG4": b"\x01\x00\x00\x00\x05",
    "BINFLOAT": bytes(8), "SHORT_BINUNICODE": b"\x01w", "BINUNICODE": b"\x07\x00\x00\x00storage",
    "SHORT_BINBYTES": b"\x01\x00", "PROTO": b"\x02", "FRAME": bytes(8),
}  # fmt: skip
OPCODES = [o.code.encode("latin1") + ARGUMENTS.get(o.name, b"") for o in pickletools.opcodes if o.name != "GLOBAL"]
GLOBALS = [b"c" + name.replace(" ", "\n").encode() + b"\n" for name in NAMES]


def attempt_pickle(content: bytes) -> None:
    try:
        read_pickle(io.BytesIO(content), Limits())
    except CheckpointRefused as error:
        if not is_presentable(error):
            raise


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from([*OPCODES, *GLOBALS, b"(", b")", b"]", b"}", b"N", b"t", b"R", b"Q"]), max_size=40))
def test_opcodes_in_any_order(opcodes: list[bytes]) -> None:
    attempt_pickle(b"".join(opcodes) + b".")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_pickle(content: bytes) -> None:
    attempt_pickle(content)
