"""A model inside of another one is found, and is not taken for the whole where it may not be."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from primesvt_core.checkpoints import Limits
from primesvt_core.errors import CheckpointMismatch, CheckpointRefused, UnknownFamily
from primesvt_core.families._base import FAMILIES
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.loading import load
from primesvt_core.types import Shapes
from tests.support import tiny

State = dict[str, Tensor]
MOST_SECONDS = 5.0
STATE: State = tiny.model().state_dict()
COUNTERS = [name for name in STATE if name.endswith("num_batches_tracked")]


def below(prefix: str, state: State = STATE) -> State:
    return {prefix + name: value for name, value in state.items()}


def inspected(content: object, folder: Path) -> Inspection:
    torch.save(content, folder / "model.pth")
    return inspect(folder / "model.pth")


def facts(found: Inspection) -> dict[str, object]:
    """What was found, without the file's own properties."""
    own = ("sha256", "file_bytes", "notes", "format", "container", "containers")
    return {name: value for name, value in found.to_json().items() if name not in own}


@pytest.mark.parametrize("prefix", ["model.", "backbone.", "net.", "student.encoder.0.", "module.model._orig_mod.net."])
def test_a_model_below_a_prefix_is_the_model(prefix: str, tmp_path: Path) -> None:
    plain = facts(inspected(STATE, tmp_path))
    short = prefix.replace("module.", "").replace("_orig_mod.", "")
    for content in (below(prefix), {"state_dict": below(prefix)}, {"model": STATE, "ema": below(prefix)}):
        found = inspected(content, tmp_path)
        assert facts(found) == plain
    found = inspected({"state_dict": below(prefix), "loops": {}, "optimizer_states": []}, tmp_path)
    assert f"the prefix {short} was removed from every name" in found.notes
    assert found.notes == tuple(found.to_json()["notes"])  # type: ignore[arg-type]
    save_file(below(prefix), tmp_path / "model.safetensors")
    assert facts(inspect(tmp_path / "model.safetensors")) == plain


def test_an_average_of_a_wrapped_model_computes_what_it_should(tmp_path: Path) -> None:
    average = torch.optim.swa_utils.AveragedModel(tiny.model(seed=1))
    torch.save({"model": STATE, "ema": average.state_dict()}, tmp_path / "model.pth")
    images = torch.rand(2, 1, tiny.SIDE, tiny.SIDE)
    with torch.inference_mode():
        for seed, container in ((0, None), (1, "ema")):
            found = load(tmp_path / "model.pth", container=container)(images)
            torch.testing.assert_close(found, tiny.model(seed)(images), rtol=0, atol=0)


def test_metrics_beside_a_prefix_are_left_out(tmp_path: Path) -> None:
    extra = {"val_acc.tp": torch.zeros(3, dtype=torch.int64), "criterion.weight": torch.ones(3)}
    found = inspected({"state_dict": {**below("model."), **extra}}, tmp_path)
    assert facts(found) == facts(inspected(STATE, tmp_path))
    assert all(any(name in note for note in found.notes) for name in extra)


@pytest.mark.parametrize(
    "extra",
    [
        {"temperature": torch.tensor(2.0)},
        {"projector.weight": torch.ones(3, 3)},
        below("teacher."),
        {name: value for name, value in below("ema.").items() if "block" in name},
    ],
    ids=["scalar", "layer", "model", "half"],
)
def test_a_model_beside_what_may_be_a_part_of_it_is_refused(extra: State, tmp_path: Path) -> None:
    for prefix in ("model.", "wrapper.net."):
        with pytest.raises(CheckpointMismatch, match=f"a model under {prefix[:4]}.*{next(iter(extra))}"):
            inspected({**below(prefix), **extra}, tmp_path)


def test_two_wrappers_that_meet_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointRefused, match=r"head\.weight and module\.head\.weight are one tensor"):
        inspected({**STATE, "module.head.weight": STATE["head.weight"]}, tmp_path)


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("left", [0, 1, len(COUNTERS) - 1])
def test_counters_that_are_not_there_are_zero(left: int, prefix: str, tmp_path: Path) -> None:
    state = {name: value for name, value in STATE.items() if name not in COUNTERS[left:]}
    found = inspected(below(prefix, state), tmp_path)
    assert facts(found) == facts(inspected(STATE, tmp_path))
    assert f"{len(COUNTERS) - left} num_batches_tracked are not in the file and were set to 0" in found.notes
    torch.save(state, tmp_path / "model.pth")
    assert all(value == 0 for name, value in load(tmp_path / "model.pth").state_dict().items() if name in COUNTERS)


def test_other_tensors_that_are_not_there_are_missing(tmp_path: Path) -> None:
    state = {name: value for name, value in STATE.items() if not name.endswith("running_mean")}
    with pytest.raises(CheckpointMismatch, match=r"running_mean"):
        inspected(below("model.", state), tmp_path)


def test_a_tensor_that_a_family_needs_is_missed_below_a_prefix_too(tmp_path: Path) -> None:
    state = {name: value for name, value in STATE.items() if name != "head.weight"}
    with pytest.raises(CheckpointMismatch) as plain:
        inspected(state, tmp_path)
    with pytest.raises(CheckpointMismatch) as prefixed:
        inspected(below("model.", state), tmp_path)
    assert "head.weight" in plain.value.message
    assert prefixed.value.message == plain.value.message


def test_a_family_that_fails_on_whatever_it_sees_keeps_no_other_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(shapes: Shapes) -> str | None:
        raise KeyError("nothing")

    families = {key: FAMILIES.load(key) for key in ("sdtv1", "spikformer")}
    families["sdtv1"] = replace(families["sdtv1"], identify=fails)
    for module in ("identification", "prefixes"):
        monkeypatch.setattr(f"primesvt_core.intake.{module}.all_families", lambda: iter(families.items()))
    assert inspected(below("model.net."), tmp_path).family_key == "spikformer"


def test_names_of_no_family_are_reported_as_they_are(tmp_path: Path) -> None:
    deep = ".".join("a" * 100) + "."
    for state in ({"model.fc.weight": torch.ones(2, 2)}, {deep + "w": torch.ones(1)}, {"w": torch.ones(1)}):
        with pytest.raises(UnknownFamily, match=next(iter(state)).replace(".", r"\.")):
            inspected(state, tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "prefixes",
    [["a." * 40], [f"{top}." + "b." * 20 for top in "abcdefgh"], ["module." * 30]],
    ids=["deep", "beside", "wrapped"],
)
def test_as_many_names_as_a_file_may_have_are_looked_at_in_seconds(prefixes: list[str], tmp_path: Path) -> None:
    one = torch.ones(1)
    torch.save({f"{prefixes[i % len(prefixes)]}t{i}": one for i in range(Limits().tensors)}, tmp_path / "model.pth")
    start = time.process_time()
    with pytest.raises(UnknownFamily):
        inspect(tmp_path / "model.pth")
    assert time.process_time() - start < MOST_SECONDS
