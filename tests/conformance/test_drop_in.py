"""A family of one's own: one file dropped into a folder, here the example of docs/families.md, conforms as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from primesvt_core import registry
from primesvt_core.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]
STEM, HIDDEN, CLASSES, SIDE, IMAGES, STEPS = 12, 20, 5, 16, 3, 3
CONFORMANCE = ("test_families.py", "test_random_plans.py", "test_family_pipeline.py")
LEAST_TESTS = 12
State = dict[str, Tensor]


def example() -> str:
    """The file on the page."""
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- smallnet\.py -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def weights() -> State:
    chance = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=chance)

    state = {
        "conv.weight": normal(STEM, 3, 3, 3) / 3,
        "head.weight": normal(CLASSES, STEM),
        "head.bias": normal(CLASSES),
    }
    for name, source, target in (("fc1", STEM, HIDDEN), ("fc2", HIDDEN, STEM)):
        state |= {f"mlp.{name}_conv.weight": normal(target, source, 1, 1), f"mlp.{name}_conv.bias": normal(target)}
    for name, width in (("bn", STEM), ("mlp.fc1_bn", HIDDEN), ("mlp.fc2_bn", STEM)):
        state |= {f"{name}.weight": 1 + 0.1 * normal(width), f"{name}.bias": 1 + 0.3 * normal(width)}
        state |= {f"{name}.running_mean": 0.1 * normal(width), f"{name}.running_var": 1 + 0.1 * normal(width).abs()}
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)
    return state


def fire(currents: list[Tensor]) -> list[Tensor]:
    """Leaky integrate-and-fire, from its definition: time constant 2, threshold 1, hard reset to 0."""
    membrane, spikes = torch.zeros_like(currents[0]), []
    for current in currents:
        membrane = membrane + (current - membrane) / 2
        spikes.append((membrane >= 1).to(current.dtype))
        membrane = membrane * (1 - spikes[-1])
    return spikes


def independent(state: State, images: Tensor) -> tuple[Tensor, State]:
    """The example's network in torch's functions alone: logits, and sums of spikes at every time step."""
    sums: State = {}

    def block(x: list[Tensor], conv: str, norm: str, neuron: str, **how: int) -> list[Tensor]:
        mean, var, weight, bias = (state[f"{norm}.{e}"] for e in ("running_mean", "running_var", "weight", "bias"))
        kernel, shift = state[f"{conv}.weight"], state.get(f"{conv}.bias")
        mixed = [functional.conv2d(step, kernel, shift, **how) for step in x]
        spikes = fire([functional.batch_norm(step, mean, var, weight, bias) for step in mixed])
        sums[f"spikes.{neuron}"] = torch.stack([step.sum() for step in spikes]).long()
        return spikes

    stream = block([images] * STEPS, "conv", "bn", "lif", stride=2, padding=1)
    hidden = block(stream, "mlp.fc1_conv", "mlp.fc1_bn", "mlp.fc1_lif")
    added = block(hidden, "mlp.fc2_conv", "mlp.fc2_bn", "mlp.fc2_lif")
    means = [(a + b).mean((2, 3)) for a, b in zip(stream, added, strict=True)]
    return torch.stack([x @ state["head.weight"].T + state["head.bias"] for x in means]).mean(0), sums


def write_golden(folder: Path) -> None:
    state, images = weights(), torch.randn((IMAGES, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(2))
    exact, sums = independent({name: x.double() for name, x in state.items()}, images.double())
    alone = torch.cat([independent(state, image.unsqueeze(0))[0] for image in images])
    computed = {"logits": independent(state, images)[0], "logits_f64": exact, "logits_batch1": alone, **sums}
    facts = {"family": "smallnet", "constructor_args": {}, "T": STEPS, "input_shape": [*images.shape]}
    stored = {f"state_dict.{name}": x for name, x in state.items()}
    save_file(
        {"input": images, **computed, **stored}, folder / "smallnet-plain.safetensors", {"config": json.dumps(facts)}
    )


def test_the_documented_example_conforms_without_another_line(tmp_path: Path) -> None:
    families, golden = tmp_path / "families", tmp_path / "golden"
    families.mkdir()
    golden.mkdir()
    (families / "smallnet.py").write_text(example(), encoding="utf-8")
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


@pytest.mark.parametrize("folder", ["families", "/no/such/folder"])
def test_only_folders_with_absolute_paths_hold_plug_ins(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_FAMILIES", folder)
    with pytest.raises(SpecError, match="absolute path"):
        registry.available.__wrapped__("families")
