"""An export is there whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from primesvt_core.exporters import masked
from primesvt_core.families.spikformer import FAMILY
from primesvt_core.intake import Provenance, metadata
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import Plan
from tests.support import tiny


@pytest.mark.parametrize("name", ["full.pth", "full.safetensors"])
def test_an_export_that_fails_leaves_no_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, original, out = tmp_path / "model.safetensors", tmp_path / "original.pth", tmp_path / "out"
    out.mkdir()
    torch.save(tiny.model().state_dict(), original)
    plan = Plan({group.name: select(group, [0.0] * group.size, 0.5) for group in tiny.groups()})
    config, state = prune(FAMILY, tiny.CONFIG, tiny.model().state_dict(), plan)
    told = Provenance(
        family="spikformer", config=config.model_dump(mode="json"), data_fingerprint="f", splits=SplitSizes(), seed=0,
        preprocessing=PreprocessingOverrides(), batch_size=50, plan=dict(plan.kept),
    )  # fmt: skip
    save_file(state, model, metadata(told))

    def full(_state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(torch, "save", full)
        disk.setattr(masked, "save_file", full)
        with pytest.raises(OSError, match="No space"):
            masked.export(model, original, out / name)
    assert [*out.iterdir()] == []
    masked.export(model, original, out / name)
    assert [path.name for path in out.iterdir()] == [name]
