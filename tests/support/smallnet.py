"""The network of docs/families.md a second time, in torch's functions alone, and files of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

STEM, HIDDEN, CLASSES, SIDE, IMAGES, STEPS = 12, 20, 5, 16, 3, 3
SAMPLES = 48
State = dict[str, Tensor]


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


def write_checkpoint(checkpoint: Path, data: Path) -> None:
    """Weights, and images that they are right on."""
    state = weights()
    torch.save({"model": state, "args": {"time_steps": STEPS, "image_size": SIDE}}, checkpoint)
    images = torch.rand((SAMPLES, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(3))
    labels = independent(state, images)[0].argmax(1)
    np.savez(data, images=images.numpy(), labels=labels.numpy().astype(np.int64))
