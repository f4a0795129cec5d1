"""What torch saves is what is read: every format, container, layout and dtype, compared with torch's own tensors."""

from __future__ import annotations

import argparse
import datetime
import zipfile
from collections import Counter, OrderedDict, defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from primesvt_core.checkpoints import CheckpointRefused, load_arrays, normalise, read, write_safetensors
from primesvt_core.errors import ExportError
from tests.support.shared import SHARED, needs_shared

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))


def save(content: object, path: Path, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def normalised(path: Path, container: str | None = None) -> dict[str, Tensor]:
    out = path.with_name(path.name + ".safetensors")
    normalise(read(path, container=container), out)
    state: dict[str, Tensor] = load_file(out)
    return state


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor.detach()), name


@FORMATS
def test_a_state_dict_comes_back(tmp_path: Path, zipped: bool) -> None:
    state = small_model().state_dict()
    path = save(state, tmp_path / "weights", zipped=zipped)
    checkpoint = read(path)
    assert checkpoint.format == ("torch_zip" if zipped else "torch_legacy")
    assert (checkpoint.container, checkpoint.containers) == ("", ("",))
    assert checkpoint.tensors["1.num_batches_tracked"].dtype == "int64"
    assert checkpoint.tensors["0.weight"].bytes == 8 * 27 * 4
    assert_same(normalised(path), state)


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_float_type_comes_back(tmp_path: Path, dtype: torch.dtype, zipped: bool) -> None:
    state = {"w": torch.randn(5, 3).to(dtype), "scalar": torch.tensor(1.5, dtype=dtype)}
    path = save(state, tmp_path / "weights.pth", zipped=zipped)
    assert_same(normalised(path), state)


@FORMATS
def test_views_of_shared_storage_come_back(tmp_path: Path, zipped: bool) -> None:
    whole = torch.arange(120, dtype=torch.float32).reshape(4, 5, 6)
    state = {
        "whole": whole,
        "transposed": whole.permute(2, 0, 1),
        "slice": whole[1:3, ::2, 1:],
        "offset": whole[3, 4],
        "expanded": whole[0, 0, :2].expand(3, 2),
        "overlapping": whole.flatten().as_strided((5, 3), (1, 1), 7),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 3),
    }
    path = save(state, tmp_path / "weights.pth", zipped=zipped)
    assert_same(normalised(path), state)
    assert_same(normalised(path.with_name(path.name + ".safetensors")), state)  # its own output, empty tensor and all


@FORMATS
def test_parameters_come_back(tmp_path: Path, zipped: bool) -> None:
    annotated = nn.Parameter(torch.randn(3))
    annotated.no_decay = True  # type: ignore[attr-defined]  # torch then saves the parameter with its state
    state = {"w": nn.Parameter(torch.randn(2, 2)), "frozen": nn.Parameter(torch.randn(2), False), "tagged": annotated}
    path = save(OrderedDict(state), tmp_path / "weights.pth", zipped=zipped)
    assert_same(normalised(path), {name: value.detach() for name, value in state.items()})


def test_numpy_arrays_come_back(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "f4": np.arange(6, dtype="<f4").reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype="<f8").reshape(2, 3)),
        "big": np.arange(4, dtype=">f4"),
        "half": np.ones((2, 2), "<f2"),
        "read_only": np.frombuffer(np.arange(3, dtype="<f4").tobytes(), "<f4"),
        "number": np.float64(0.1),
        "bn.num_batches_tracked": np.int64(7),
    }
    for protocol in (2, 4, 5):
        torch.save(arrays, tmp_path / "weights.pth", pickle_protocol=protocol)
        found = load_arrays(read(tmp_path / "weights.pth"))
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype.newbyteorder("<")


def test_a_big_endian_file_comes_back(tmp_path: Path) -> None:
    state = {"w": torch.randn(3, 4), "h": torch.randn(5).to(torch.bfloat16), "n.num_batches_tracked": torch.tensor(7)}
    path = save(state, tmp_path / "little.pth")
    big = tmp_path / "big.pth"
    sizes = {storage: tensor.element_size() for storage, tensor in zip("012", state.values(), strict=True)}
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(big, "w") as target:
        for name in source.namelist():
            content, key = source.read(name), name.rsplit("/", 1)[-1]
            if "/data/" in name:
                content = np.frombuffer(content, f"u{sizes[key]}").byteswap().tobytes()
            target.writestr(name, b"big" if key == "byteorder" else content)
    assert_same(normalised(big), state)


def test_old_files_are_little_endian_whatever_machine_wrote_them(tmp_path: Path) -> None:
    state = {"w": torch.randn(4)}
    path = save(state, tmp_path / "old.pth", zipped=False)
    content = path.read_bytes()
    expected = b"little_endianq\x02\x88"
    assert content.count(expected) == 1
    path.write_bytes(content.replace(expected, expected[:-1] + b"\x89"))
    assert_same(normalised(path), state)


def training_file() -> dict[str, object]:
    """As timm's training script saves it, with what other scripts add."""
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3, 3, 3)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[3, 5])
    return {
        "epoch": 3,
        "arch": "spikformer",
        "state_dict": {f"module.{name}": value for name, value in model.state_dict().items()},
        "state_dict_ema": {name: value + 1 for name, value in model.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "args": argparse.Namespace(num_heads=12, T=4, lr=0.1, mean=(0.5, 0.5), out=Path("out"), amp=None, huge=1 << 80),
        "metric": np.float64(71.5),
        "best_acc1": torch.tensor(71.5),
        "rng_state": torch.get_rng_state(),
        "when": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "history": defaultdict(list, loss=[1.0, 0.5]),
        "seen": Counter("abca"),
        "skipped": {1, 2},
    }


@FORMATS
def test_a_training_scripts_file(tmp_path: Path, zipped: bool) -> None:
    content = training_file()
    path = save(content, tmp_path / "last.pth.tar", zipped=zipped)
    checkpoint = read(path)
    assert checkpoint.container == "state_dict"
    assert checkpoint.containers == ("state_dict", "state_dict_ema")
    expected = {"arch": "spikformer", "num_heads": 12, "T": 4, "lr": 0.1, "mean": (0.5, 0.5), "amp": None}
    assert dict(checkpoint.args) == expected
    assert any("optimizer" in note for note in checkpoint.notes)
    assert any("module." in note for note in checkpoint.notes)
    assert any("state_dict_ema" in note for note in checkpoint.notes)
    assert_same(normalised(path), {k.removeprefix("module."): v for k, v in content["state_dict"].items()})  # type: ignore[attr-defined]
    assert_same(normalised(path, "state_dict_ema"), content["state_dict_ema"])  # type: ignore[arg-type]


def test_a_container_that_is_not_there(tmp_path: Path) -> None:
    for content in (training_file(), small_model().state_dict()):
        with pytest.raises(CheckpointRefused) as caught:
            read(save(content, tmp_path / "weights.pth"), container="model_ema")
        assert caught.value.error_code == "no_state_dict"


def test_two_plain_containers_are_ambiguous(tmp_path: Path) -> None:
    state = small_model().state_dict()
    path = save({"model": state, "net": state}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointRefused) as caught:
        read(path)
    assert caught.value.error_code == "ambiguous"
    assert read(path, container="net").container == "net"


@pytest.mark.parametrize("container", ["model", "model_state_dict", "state_dict", "state_dict_ema", "weights_of_mine"])
def test_one_container_is_found_whatever_its_name(tmp_path: Path, container: str) -> None:
    state = small_model().state_dict()
    path = save({container: state, "epoch": 1}, tmp_path / "weights.pth")
    assert read(path).container == container
    assert_same(normalised(path), state)


def test_wrappers_prefixes_and_a_profilers_counters_go(tmp_path: Path) -> None:
    state = small_model().state_dict()
    wrapped = {f"module._orig_mod.{name}": value for name, value in state.items()}
    wrapped |= {f"{owner}total_ops": torch.zeros(1, dtype=torch.float64) for owner in ("", "module.", "module.1.")}
    wrapped |= {"module._orig_mod.total_params": torch.zeros(1)}
    assert_same(normalised(save(wrapped, tmp_path / "weights.pth")), state)


def test_safetensors_come_back_with_metadata(tmp_path: Path) -> None:
    state = {"w": torch.randn(2, 3), "b": torch.randn(3).to(torch.bfloat16)}
    path = tmp_path / "weights.pth"  # the name says nothing
    save_file(state, path, metadata={"note": "ours"})
    checkpoint = read(path)
    assert checkpoint.format == "safetensors"
    assert dict(checkpoint.metadata) == {"note": "ours"}
    assert_same(normalised(path), state)


def test_metadata_is_written(tmp_path: Path) -> None:
    path = save(small_model().state_dict(), tmp_path / "weights.pth")
    normalise(read(path), tmp_path / "out.safetensors", {"family": "spikformer"})
    with safe_open(tmp_path / "out.safetensors", "numpy") as file:
        assert file.metadata() == {"family": "spikformer"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.safetensors", "weights.pth"]


def test_arrays_written_are_the_arrays_read(tmp_path: Path) -> None:
    path = tmp_path / "arrays.safetensors"
    bits = np.array([0x3F80, 0x4000], np.uint16)  # 1 and 2
    arrays = {"f": np.arange(6, dtype=">f4").reshape(2, 3).T, "b": bits, "n": np.array(3, np.int64)}
    write_safetensors(path, arrays, {"by": "hand"}, bfloat16=["b"])
    state = load_file(path)
    assert torch.equal(state["b"], torch.tensor([1.0, 2.0], dtype=torch.bfloat16))
    assert state["n"].shape == ()
    np.testing.assert_array_equal(state["f"].numpy(), arrays["f"])


def test_a_refused_array_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        write_safetensors(tmp_path / "x.safetensors", {"c": np.zeros(1, np.complex64)})
    assert not list(tmp_path.iterdir())


def test_a_failed_conversion_leaves_the_old_file(tmp_path: Path) -> None:
    path = save({"w": torch.randn(1000)}, tmp_path / "weights.pth")
    out = tmp_path / "out.safetensors"
    normalise(read(path), out)
    before, checkpoint = out.read_bytes(), read(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(CheckpointRefused):
        normalise(checkpoint, out)
    assert out.read_bytes() == before
    assert not out.with_name(out.name + ".part").exists()


def test_selected_arrays_are_read_only(tmp_path: Path) -> None:
    checkpoint = read(save(small_model().state_dict(), tmp_path / "weights.pth"))
    arrays = load_arrays(checkpoint, ["0.weight"])
    assert list(arrays) == ["0.weight"]
    assert not arrays["0.weight"].flags.writeable
    assert load_arrays(checkpoint)["1.num_batches_tracked"].shape == ()


@needs_shared
def test_a_real_trained_file() -> None:
    path = SHARED / "checkpoints" / "spikformer-2-192-cifar10.pth.tar"
    checkpoint = read(path)
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, weights_only=True)
    assert checkpoint.container == "state_dict"
    assert checkpoint.args["dim"] == content["args"].dim
    for name, array in load_arrays(checkpoint).items():
        np.testing.assert_array_equal(array, content["state_dict"][name].numpy())


def test_the_digest_is_the_files(tmp_path: Path) -> None:
    path = save({"w": torch.ones(2)}, tmp_path / "weights.pth")
    assert read(path).sha256 == sha256(path.read_bytes()).hexdigest()
