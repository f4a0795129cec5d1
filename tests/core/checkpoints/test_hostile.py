"""Attacks beyond the corpus, made here: on the interpreter, the archive's layout, names, and what reading costs."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.checkpoints import CheckpointRefused, Limits, Refusal, read, write_safetensors
from primesvt_core.checkpoints.pickles import read_pickle
from primesvt_core.checkpoints.values import children

DEEP = 500_000
REPOSITORY = Path(__file__).resolve().parents[3]


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointRefused) as caught:
        read(path)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500
    return caught.value.error_code


def refusal_of_pickle(content: bytes) -> str:
    with pytest.raises(CheckpointRefused) as caught:
        read_pickle(io.BytesIO(content), Limits())
    return caught.value.error_code


def save(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save({"w": torch.arange(8.0), "b": torch.ones(3)}, tmp_path / "good.pth")


def records(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def pack(path: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(f"archive/{name}", content)
    return path


def pack_pickle(path: Path, content: bytes) -> Path:
    return pack(path, {"data.pkl": content, "byteorder": b"little"})


NAMED_BY_NESTING = b"\x80\x04)" + b"\x85" * DEEP + b"N\x93."
KEYED_BY_A_LIST = b"\x80\x02}(]K\x01u."
LAUGHS = b"\x80\x04)" + b"2\x86" * 60 + b"N\x93."


def test_names_made_of_deep_or_endless_values_are_not_hashed() -> None:
    assert refusal_of_pickle(NAMED_BY_NESTING) == "unsafe_pickle"  # hashing it overflows the C stack
    assert refusal_of_pickle(LAUGHS) == "unsafe_pickle"  # hashing it takes 2**60 steps


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02](" + b"}" * 4_000_000 + b"e.",
        b"\x80\x02(" + b"(" * 4_000_000,
        b"\x80\x02cargparse\nNamespace\nq\x00](" + b"h\x00)R" * 1_300_000 + b"e.",
        b"\x80\x02](" + b"NQ" * 2_000_000 + b"e.",
    ],
    ids=["dicts", "marks", "calls", "references"],
)
def test_a_few_megabytes_of_opcodes_are_too_many(content: bytes) -> None:
    assert refusal_of_pickle(content) == "too_large"


SHARED = 2_000
"""References to a list of as many values."""


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02](](" + b"N" * SHARED + b"eq\x00" + b"h\x00" * SHARED + b"e.",
        b"\x80\x02]((" + b"N" * SHARED + b"tq\x00cargparse\nNamespace\nq\x01" + b"h\x01h\x00R" * SHARED + b"e.",
    ],
    ids=["a list", "the arguments of calls"],
)
def test_what_is_shared_is_looked_into_once(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """1.2 MB cost 135 seconds when it was looked into at every reference."""
    seen = 0

    def counting(node: object) -> list[object]:
        nonlocal seen
        found = children(node)
        seen += len(found)
        return found

    monkeypatch.setattr("primesvt_core.checkpoints.graphs.children", counting)
    assert refusal_of_pickle(content) == "too_large"
    assert seen < 12 * SHARED


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x80\x02", "damaged"),
        (b"\x80\x02N0.", "damaged"),
        (b"\x80\x02(N", "damaged"),
        (b"\x80\x02(\x85.", "damaged"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "damaged"),
        (b"\x80\x02}(Nu.", "damaged"),
        (b"\x80\x02NNs.", "damaged"),
        (b"\x80\x02NNa.", "damaged"),
        (b"\x80\x02NNR.", "damaged"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged"),
        (b"\x80\x02X\x01\x00\x00\x00\xff.", "damaged"),
        (b"\x80\x02cos\nsystem", "damaged"),
        (b"\x80\x02\xff.", "damaged"),
        (b"\x80\x02cos\nsystem\n.", "unsafe_pickle"),
        (b"\x80\x02(S'echo'\nios\nsystem\n.", "unsafe_pickle"),
        (b"\x80\x02\x82\x01.", "unsafe_pickle"),
        (b"\x80\x02I1\n.", "unsafe_pickle"),
        (b"\x80\x02Pabc\n.", "unsafe_pickle"),
        (b"\x80\x02N}b.", "unsafe_pickle"),
        (b"\x80\x02c__main__\nNet\n.", "whole_module"),
        (b"\x80\x02c" + b"x" * 100_000 + b"\ny\n.", "unsafe_pickle"),
        (b"\x80\x02](h\x00e.", "damaged"),
    ],
)
def test_a_bad_pickle_has_its_code(content: bytes, code: str) -> None:
    assert refusal_of_pickle(content) == code


def test_values_of_no_usual_type_as_names(tmp_path: Path) -> None:
    for key in (
        None,
        3,
        1 << 100_000,
        (1, (2, 3)),
        b"w",
        "x" * 10_000,
        "w\n",
        "__metadata__",
        "-1",
        "../w",
        "a..b",
        "",
    ):
        assert refusal(save({key: torch.ones(1)}, tmp_path / "key.pth")) == "bad_name"
        assert refusal(save({"state_dict": {key: torch.ones(1)}}, tmp_path / "key.pth")) == "bad_name"
    assert refusal(pack_pickle(tmp_path / "list.pth", KEYED_BY_A_LIST)) == "no_state_dict"
    assert refusal(save({"module.-w": torch.ones(1)}, tmp_path / "prefix.pth")) == "bad_name"


def test_odd_keys_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    content = {"state_dict": {"w": torch.ones(1)}, 3: {}, (1, 2): [], 1 << 100_000: {}, "\n<b>": []}
    checkpoint = read(save(content, tmp_path / "odd.pth"))
    assert list(checkpoint.tensors) == ["w"]
    assert all(note.isprintable() for note in checkpoint.notes)


def test_two_entries_of_one_name(tmp_path: Path, good: Path) -> None:
    content = records(good)
    doubled = content["data.pkl"].replace(b"X\x01\x00\x00\x00b", b"X\x01\x00\x00\x00w")
    assert doubled != content["data.pkl"]
    assert refusal(pack(tmp_path / "two.pth", {**content, "data.pkl": doubled})) == "unsafe_archive"


def test_something_behind_the_pickle(tmp_path: Path, good: Path) -> None:
    content = records(good)
    content["data.pkl"] += b"cos\nsystem\n."
    assert refusal(pack(tmp_path / "behind.pth", content)) == "unsafe_archive"


def test_an_archive_written_by_python_is_read(tmp_path: Path, good: Path) -> None:
    assert list(read(pack(tmp_path / "python.pth", records(good))).tensors) == ["w", "b"]


def test_a_compressed_archive(tmp_path: Path, good: Path) -> None:
    assert refusal(pack(tmp_path / "deflated.pth", records(good), zipfile.ZIP_DEFLATED)) == "unsafe_archive"


def _with_prefix(content: bytes) -> bytes:
    return b"PK\x03\x04 something else" + content


def _with_comment(content: bytes) -> bytes:
    return content[:-2] + b"\x05\x00hello"


def _with_appendix(content: bytes) -> bytes:
    return content + b"appended"


def _with_gap(content: bytes) -> bytes:
    """Bytes between the last record and the directory, whose place is corrected."""
    end = content[-22:]
    start = struct.unpack("<I", end[16:20])[0]
    return content[:start] + b"hidden" + content[start:-22] + end[:16] + struct.pack("<I", start + 6) + end[20:]


def _with_two_in_one(content: bytes) -> bytes:
    """The last record's entry points to the first one's bytes."""
    last = content.rindex(b"PK\x01\x02")
    return content[: last + 42] + struct.pack("<I", 0) + content[last + 46 :]


def _with_fewer_records(content: bytes) -> bytes:
    count = struct.unpack("<H", content[-12:-10])[0] - 1
    return content[:-14] + struct.pack("<HH", count, count) + content[-10:]


def _with_another_end(content: bytes) -> bytes:
    """A second, newer end that only some readers look for, with other figures."""
    size = len(content) - 22
    end = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 46, size - 46)
    return content[:-22] + end + b"PK\x06\x07" + struct.pack("<IQI", 0, size, 1) + content[-22:]


@pytest.mark.parametrize(
    "change",
    [
        _with_prefix,
        _with_comment,
        _with_appendix,
        _with_gap,
        _with_two_in_one,
        _with_fewer_records,
        _with_another_end,
    ],
)
def test_an_archive_with_two_faces(tmp_path: Path, good: Path, change: Callable[[bytes], bytes]) -> None:
    plain = pack(tmp_path / "plain.pth", records(good))
    changed = tmp_path / "changed.pth"
    changed.write_bytes(change(plain.read_bytes()))
    assert refusal(changed) in ("unsafe_archive", "damaged")


def test_views_that_reach_far_apart_cost_no_more_than_the_file(tmp_path: Path) -> None:
    whole = torch.zeros(1 << 20)
    far = {f"v{i}": whole[i :: (1 << 20) - 40] for i in range(30)}  # two elements each, 4 MiB apart
    assert refusal(save(far, tmp_path / "far.pth")) == "too_large"


def test_infinite_weights(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        for value in (float("nan"), float("inf")):
            content = {"w": torch.tensor([1.0, value]).to(dtype)}
            assert refusal(save(content, tmp_path / "infinite.pth")) == "not_finite"
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert refusal(tmp_path / "old.pth") == "not_finite"
    assert refusal(save({"w": np.array([np.inf])}, tmp_path / "numpy.pth")) == "not_finite"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_negative_variance_gives_nan(dtype: torch.dtype, tmp_path: Path) -> None:
    values = torch.ones(1 << 20).to(dtype)
    values[0] = -0.0
    assert len(read(save({"bn.running_var": values, "bn.bias": -values}, tmp_path / "good.pth")).tensors) == 2
    values[-1] = -1e-3
    assert refusal(save({"bn.running_var": values}, tmp_path / "bad.pth")) == "not_finite"
    assert refusal(save({"bn.running_var": values.flip(0)[::3]}, tmp_path / "view.pth")) == "not_finite"
    torch.save({"bn.running_var": values}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert refusal(tmp_path / "old.pth") == "not_finite"


def test_a_diverged_optimizer_does_not_matter(tmp_path: Path) -> None:
    content = {"model": {"w": torch.ones(2)}, "optimizer": {"state": {0: torch.tensor([float("nan")])}}}
    assert list(read(save(content, tmp_path / "weights.pth")).tensors) == ["w"]


def safetensors(path: Path, header: object, data: bytes = b"") -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"w": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, "unsupported_tensor"),
        ({"w": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, "bad_tensor"),
        ({"w": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}, "bad_tensor"),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}, "bad_tensor"),
        ({"w": {"dtype": "F32", "shape": [1] * 9, "data_offsets": [0, 4]}}, "bad_tensor"),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": 1}}, "damaged"),
        ({"w": [1]}, "damaged"),
        ({"__metadata__": {"a": 1}}, "damaged"),
        ({"__metadata__": [1]}, "damaged"),
        ({}, "unsafe_archive"),
        ({"w": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}, "unsupported_tensor"),
        (b'{"w":' + b"[" * 100_000, "damaged"),
        (b'{"w":' + b"1" * 100_000 + b"}", "damaged"),
        (b'{"\\ud800":1}', "bad_name"),
    ],
)
def test_a_bad_safetensors_header_has_its_code(tmp_path: Path, header: object, code: str) -> None:
    assert refusal(safetensors(tmp_path / "x.safetensors", header, bytes(4))) == code


def test_a_safetensors_file_without_tensors(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "empty.safetensors", {})
    assert refusal(tmp_path / "empty.safetensors") == "no_state_dict"


def test_things_that_are_no_files(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pth"
    empty.touch()
    for path in (tmp_path, tmp_path / "absent.pth", Path("/dev/zero"), empty):
        assert refusal(path) == "not_a_checkpoint"


def test_every_code_is_explained() -> None:
    assert {code.value for code in Refusal} == {str(code) for code in Refusal}
    assert all(code.explanation.endswith(".") for code in Refusal)
    assert len({code.explanation for code in Refusal}) == len(Refusal)


def test_reading_loads_no_torch() -> None:
    script = "import sys, primesvt_core.checkpoints; print({'torch', 'safetensors', 'spikingjelly'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


COST = """
import sys
from pathlib import Path
from primesvt_core.checkpoints import read
checkpoint = read(Path(sys.argv[1]))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))  # the whole process, in kB
print(len(checkpoint.tensors), int(peak.split()[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for the memory used")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_full_size_training_file_is_read_without_its_tensors(tmp_path: Path, zipped: bool) -> None:
    """120 MB of weights and their optimizer's 240 MB, as a training script leaves them."""
    model = torch.nn.Sequential(*[torch.nn.Linear(512, 2048) for _ in range(28)])
    state = {i: {"exp_avg": p, "exp_avg_sq": p * p} for i, p in enumerate(model.state_dict().values())}
    path = tmp_path / "full.pth.tar"
    torch.save(
        {"state_dict": model.state_dict(), "optimizer": {"state": state}}, path, _use_new_zipfile_serialization=zipped
    )
    done = subprocess.run(
        [sys.executable, "-c", COST, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    tensors, mib = map(float, done.stdout.split())
    assert tensors == 56
    assert mib < 60
