"""An export is there whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from primesvt_core.errors import CheckpointMismatch, SpecError
from primesvt_core.exporters import _public
from primesvt_core.exporting import ExportRequest, export
from primesvt_core.families import FAMILIES
from primesvt_core.families._base import FamilyConfig
from primesvt_core.families.spikformer import FAMILY
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.pruning.groups import composed, select
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import Plan
from tests.support import tiny
from tests.support.zoo import MODELS


def pruned(family: str, config: FamilyConfig, state: dict[str, Tensor], plan: Plan, path: Path) -> None:
    """A pruned model as a compression writes it."""
    config, state = prune(FAMILIES.load(family), config, state, plan)
    provenance = Provenance(
        family=family, config=config.model_dump(mode="json"), data_fingerprint="f", splits=SplitSizes(), seed=0,
        preprocessing=PreprocessingOverrides(), batch_size=50, plan=dict(plan.kept),
    )  # fmt: skip
    save_file(state, path, metadata(provenance))


def masked(model: Path, original: Path, out: Path, container: str | None = None) -> None:
    export(ExportRequest(model=model, target="masked", out=out, original=original, container=container))


@pytest.mark.parametrize("name", ["full.pth", "full.safetensors"])
def test_an_export_that_fails_leaves_no_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, original, out = tmp_path / "model.safetensors", tmp_path / "original.pth", tmp_path / "out"
    out.mkdir()
    torch.save(tiny.model().state_dict(), original)
    plan = Plan({group.name: select(group, [0.0] * group.size, 0.5) for group in tiny.groups()})
    pruned("spikformer", tiny.CONFIG, tiny.model().state_dict(), plan, model)

    for fault in (OSError(28, "No space left"), RuntimeError("No space left"), SafetensorError("No space left")):

        def full(_state: Any, path: Path, *_metadata: Any, fault: Exception = fault) -> None:
            path.write_bytes(b"half")
            raise fault

        with monkeypatch.context() as disk:
            disk.setattr(torch, "save", full)
            disk.setattr(_public, "save_file", full)
            with pytest.raises(OSError, match="No space"):
                masked(model, original, out / name)
        assert [*out.iterdir()] == []
    masked(model, original, out / name)
    assert sorted(path.name for path in out.iterdir()) == [name, f"{name}.export.json"]


def test_an_original_is_run_as_its_pruned_model_is(tmp_path: Path) -> None:
    """Where queries mask channels, which nothing but the caller tells, other groups are pruned than by default."""
    [zoo] = [model for model in MODELS if model.name == "sj_qkformer-channel"]
    golden = zoo.load()
    model, original, out = tmp_path / "model.safetensors", tmp_path / "original.pth", tmp_path / "full.safetensors"
    torch.save({"net": golden.state, "model": golden.state}, original)
    pruned(zoo.family, golden.config, golden.state, golden.plan(0.5), model)
    masked(model, original, out, "net")
    assert {name: x.shape for name, x in load_file(out).items()} == {n: x.shape for n, x in golden.state.items()}
    assumptions = {assumption.field: assumption.value for assumption in inspect(model).assumptions}
    x = golden.input.double()
    with torch.no_grad():
        assert torch.allclose(load(out, assumptions).double()(x), load(model).double()(x), rtol=0, atol=1e-9)


def test_pruning_twice_is_pruning_once_by_both_plans() -> None:
    first = Plan({group.name: select(group, range(group.size), 0.5) for group in tiny.groups()[1:]})
    config, state = prune(FAMILY, tiny.CONFIG, tiny.model().state_dict(), first)
    left = [group for group in FAMILY.groups(config) if group.name != tiny.groups()[-1].name]
    second = Plan({group.name: select(group, [-c for c in range(group.size)], 0.5) for group in left})
    config, state = prune(FAMILY, config, state, second)
    both = composed(first, second)
    assert set(both.kept) == {group.name for group in tiny.groups()}
    once_config, once = prune(FAMILY, tiny.CONFIG, tiny.model().state_dict(), both)
    assert once_config == config
    assert all(torch.equal(once[name], state[name]) for name in state)


def test_another_original_is_refused(tmp_path: Path) -> None:
    model, other = tmp_path / "model.safetensors", tmp_path / "other.pth"
    plan = Plan({group.name: select(group, [0.0] * group.size, 0.5) for group in tiny.groups()})
    pruned("spikformer", tiny.CONFIG, tiny.model().state_dict(), plan, model)
    torch.save(MODELS[0].load().state, other)
    with pytest.raises(CheckpointMismatch, match=r"other\.pth is a Spikformer \(spikingjelly\), model"):
        masked(model, other, tmp_path / "out.pth")
    with pytest.raises(CheckpointMismatch, match="is pruned, too"):
        masked(model, model, tmp_path / "out.pth")


def test_a_model_that_was_not_pruned_is_refused(tmp_path: Path) -> None:
    torch.save(tiny.model().state_dict(), tmp_path / "model.pth")
    with pytest.raises(CheckpointMismatch, match="does not say which channels it kept"):
        masked(tmp_path / "model.pth", tmp_path / "model.pth", tmp_path / "out.pth")
    with pytest.raises(SpecError, match="give --original"):
        export(ExportRequest(model=tmp_path / "model.pth", target="masked", out=tmp_path / "out.pth"))
