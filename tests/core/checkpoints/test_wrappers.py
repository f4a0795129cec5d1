"""What wrappers, trainers and tools add to a state dict comes off, and what may be a weight does not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from primesvt_core.checkpoints import Checkpoint, CheckpointRefused, load_arrays, read

State = dict[str, Tensor]


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))


STATE: State = model().state_dict()


def saved(content: object, folder: Path) -> Path:
    torch.save(content, folder / "model.pth")
    return folder / "model.pth"


def refused(content: object, folder: Path) -> CheckpointRefused:
    with pytest.raises(CheckpointRefused) as caught:
        read(saved(content, folder))
    return caught.value


def assert_holds(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    arrays = load_arrays(checkpoint)
    assert arrays.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(arrays[name], tensor.detach().numpy(), name)


def renamed(change: Callable[[str], str]) -> State:
    return {change(name): value for name, value in STATE.items()}


def averaged() -> State:
    state: State = torch.optim.swa_utils.AveragedModel(model()).state_dict()
    return state


def compiled_parts() -> State:
    whole = model()
    whole[1], whole[3] = torch.compile(whole[1], backend="eager"), nn.DataParallel(whole[3])  # type: ignore[assignment]
    state: State = whole.state_dict()
    return state


def compiled_whole() -> State:
    whole: Any = torch.compile(nn.DataParallel(model()), backend="eager")
    state: State = whole.state_dict()
    return state


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (averaged(), "n_averaged"),
        (compiled_parts(), "_orig_mod. was removed from 5 of 8 names"),
        (nn.DataParallel(model()).state_dict(), "module. was removed from every name"),
        (compiled_whole(), "_orig_mod. was removed from every name"),
        (renamed(lambda name: name.replace("1.", "1._fsdp_wrapped_module._checkpoint_wrapped_module.")), "_fsdp"),
        (renamed(lambda name: f"_forward_module.module.{name}"), "_forward_module. was removed from every name"),
    ],
    ids=["averaged", "parts", "parallel", "compiled", "sharded", "lightning"],
)
def test_wrappers_come_off_wherever_they_are(state: State, note: str, tmp_path: Path) -> None:
    checkpoint = read(saved(state, tmp_path))
    assert_holds(checkpoint, STATE)
    assert any(note in each for each in checkpoint.notes), checkpoint.notes
    save_file(state, tmp_path / "model.safetensors")
    assert_holds(read(tmp_path / "model.safetensors"), STATE)


def test_a_tensor_that_is_called_as_a_wrapper_keeps_its_name(tmp_path: Path) -> None:
    state = {"module": torch.ones(2), "gate._orig_mod": torch.ones(1)}
    assert_holds(read(saved(state, tmp_path)), state)


@pytest.mark.parametrize(
    ("one", "other"),
    [("module.w", "w"), ("w", "module._orig_mod.w"), ("a._orig_mod.w", "module.a.w"), ("module.step", "step")],
)
def test_two_names_of_one_tensor_are_refused(one: str, other: str, tmp_path: Path) -> None:
    for state in ({one: torch.ones(2), other: torch.zeros(2)}, {one: torch.ones(2), other: torch.tensor(1)}):
        refusal = refused(state, tmp_path)
        assert refusal.error_code == "ambiguous"
        assert f"{one} and {other} are one tensor" in refusal.message


LIGHTNING = renamed(lambda name: f"model.{name}")
ZERO = torch.tensor(0)


@pytest.mark.parametrize(
    ("state", "extra"),
    [
        (STATE, {"n_averaged": ZERO}),
        (STATE, {"steps": ZERO}),
        (STATE, {"num_updates": ZERO.int(), "decay": torch.tensor(0.999)}),
        (STATE, {"val.acc.tp": torch.zeros(10, dtype=torch.int64), "val.acc.fp": torch.zeros(10, dtype=torch.int64)}),
        (STATE, {"meter.mean_value": torch.tensor(0.5), "meter.weight": torch.tensor(3.0)}),
        (STATE, {"1.lif.surrogate_function.alpha": torch.tensor(4.0)}),
        (STATE, {"criterion.weight": torch.ones(4)}),
        (STATE, {"bce_loss.pos_weight": torch.ones(4)}),
        (LIGHTNING, {"confusion.confmat": torch.zeros(4, 4, dtype=torch.int64)}),
        (LIGHTNING, {"seen": ZERO, "counter.of_mine": torch.zeros(3, dtype=torch.int64)}),
        (LIGHTNING, {"model.total_ops": torch.zeros(1), "total_params": torch.zeros(1)}),
    ],
)
def test_counters_and_metrics_are_left_out_and_named(state: State, extra: State, tmp_path: Path) -> None:
    checkpoint = read(saved({**extra, **state}, tmp_path))
    assert_holds(checkpoint, state)
    notes = [note for note in checkpoint.notes if note.startswith("ignored beside the weights, ")]
    assert all(any(name in note for note in notes) for name in extra), notes


@pytest.mark.parametrize(
    ("state", "extra"),
    [
        (STATE, {"0.index": torch.zeros(3, dtype=torch.int64)}),
        (STATE, {"order": torch.zeros(3, dtype=torch.int64)}),
        (STATE, {"0.tp": torch.zeros(3, dtype=torch.int64)}),
        (STATE, {"T": torch.tensor(4)}),
        (LIGHTNING, {"model.0.index": torch.zeros(3, dtype=torch.int64)}),
        (LIGHTNING, {"quantised.weight": torch.zeros(3, dtype=torch.int8)}),
    ],
)
def test_integers_that_a_model_may_compute_with_are_refused_by_name(state: State, extra: State, tmp_path: Path) -> None:
    refusal = refused({**state, **extra}, tmp_path)
    assert refusal.error_code == "unsupported_tensor"
    assert f"{next(iter(extra))} has the dtype" in refusal.message


@pytest.mark.parametrize(
    "extra",
    [
        {"scale": torch.tensor(4.0)},
        {"meter.scale": torch.tensor(4.0)},
        {"meter.tp": torch.zeros(3)},
        {"criterion.centers": torch.zeros(3)},
        {"criterion.weight": torch.zeros(3, 3)},
    ],
)
def test_what_may_be_a_weight_stays(extra: State, tmp_path: Path) -> None:
    assert_holds(read(saved({**STATE, **extra}, tmp_path)), {**STATE, **extra})


@pytest.mark.parametrize("kind", [torch.int32, torch.int16, torch.uint8, torch.float32, torch.float64, torch.bfloat16])
def test_counters_of_other_types_are_int64(kind: torch.dtype, tmp_path: Path) -> None:
    name = "1.num_batches_tracked"
    for value in (torch.tensor(96), torch.tensor([96])):
        checkpoint = read(saved({**STATE, name: value.to(kind)}, tmp_path))
        assert_holds(checkpoint, {**STATE, name: torch.tensor(96)})
        assert (checkpoint.tensors[name].dtype, checkpoint.tensors[name].bytes) == ("int64", 8)
        assert "1 num_batches_tracked were read as int64" in checkpoint.notes
    assert_holds(read(saved({**STATE, name: np.array(96, np.int32)}, tmp_path)), {**STATE, name: torch.tensor(96)})


def test_what_is_no_count_is_refused(tmp_path: Path) -> None:
    for value, code in (
        (torch.tensor(-1.0), "bad_tensor"),
        (torch.tensor(1e30), "bad_tensor"),
        (torch.tensor(-1, dtype=torch.int32), "bad_tensor"),
        (torch.tensor(float("nan")), "not_finite"),
        (torch.zeros(3, dtype=torch.int32), "unsupported_tensor"),
        (torch.tensor(True), "unsupported_tensor"),
    ):
        refusal = refused({**STATE, "1.num_batches_tracked": value}, tmp_path)
        assert (refusal.error_code, "1.num_batches_tracked" in refusal.message) == (code, True)


def parametrised(change: Callable[[nn.Module], object]) -> State:
    whole = copy.deepcopy(model())
    change(whole[3])
    state: State = whole.state_dict()
    return state


@pytest.mark.parametrize(
    ("state", "weight", "remedy"),
    [
        (parametrised(nn.utils.spectral_norm), "3.weight", "remove_spectral_norm"),
        (parametrised(nn.utils.parametrizations.weight_norm), "3.weight", "remove_parametrizations"),
        (parametrised(nn.utils.parametrizations.orthogonal), "3.weight", "remove_parametrizations"),
        ({"3.weight_g": torch.ones(4, 1), "3.weight_v": torch.ones(4, 8)}, "3.weight", "remove_weight_norm"),
    ],
)
def test_a_weight_that_is_stored_as_parts_is_refused_with_what_to_do(
    state: State, weight: str, remedy: str, tmp_path: Path
) -> None:
    refusal = refused(state, tmp_path)
    assert refusal.error_code == "unsupported_tensor"
    assert f"{weight} is stored as parts" in refusal.message
    assert remedy in refusal.message


@pytest.mark.parametrize("name", ["model_ema", "ema", "state_dict_ema", "ema_state_dict", "swa_model"])
def test_an_average_is_taken_when_it_is_asked_for(name: str, tmp_path: Path) -> None:
    average = {"n_averaged": torch.tensor(3), **{f"module.{key}": value + 1 for key, value in STATE.items()}}
    path = saved({"model": STATE, "optimizer": {}, "epoch": 3, name: average}, tmp_path)
    assert_holds(read(path), STATE)
    assert f"other weights in the file: {name}" in read(path).notes
    checkpoint = read(path, container=name)
    assert_holds(checkpoint, {key: value + 1 for key, value in STATE.items()})
    assert any("n_averaged" in note for note in checkpoint.notes)


def test_the_history_that_mmengine_keeps_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    class HistoryBuffer:
        """As mmengine's: two arrays in its attributes."""

        def __init__(self) -> None:
            self.max_length, self._log_history, self._count_history = 10, np.array([0.5]), np.array([1])

    place = "mmengine.logging.history_buffer"
    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = place, "HistoryBuffer"
    stand_in: Any = types.ModuleType(place)
    stand_in.HistoryBuffer = HistoryBuffer
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, place, stand_in)
    hub = {"log_scalars": {"train/loss": HistoryBuffer()}, "runtime_info": {"epoch": 3}, "resumed_keys": {}}
    content = {"meta": {"epoch": 3, "cfg": "model = dict()"}, "state_dict": STATE, "message_hub": hub}
    assert_holds(read(saved(content, tmp_path)), STATE)
