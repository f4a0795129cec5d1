"""What the benches of the engine measure on: models with random weights, and images in memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from primesvt_core.families.spikformer import BlockConfig, Config
from primesvt_core.testing.models import FamilyModel, random_model

SIDE, COLOURS, CLASSES, TIME_STEPS, HEADS = 32, 3, 10, 4, 8


def spikformer(blocks: int, width: int) -> FamilyModel:
    """A Spikformer for CIFAR-10 with random weights, at which every neuron layer fires."""
    block = BlockConfig(qk_dim=width, v_dim=width, mlp_dim=4 * width)
    config = Config(
        variant="cifar", num_classes=CLASSES, in_channels=COLOURS, time_steps=TIME_STEPS, image_size=SIDE,
        stem=(width // 8, width // 4, width // 2), embed_dim=width, blocks=(block,) * blocks, num_heads=HEADS,
        attention_scale=0.125,
    )  # fmt: skip
    return random_model("spikformer", config)


def random_images(count: int) -> tuple[Tensor, Tensor]:
    """Images ``(count, C, H, W)`` and labels, the same ones every time."""
    chance = torch.Generator().manual_seed(0)
    return (
        torch.randn(count, COLOURS, SIDE, SIDE, generator=chance),
        torch.randint(CLASSES, (count,), generator=chance),
    )


class InMemory:
    """Images in blocks."""

    def __init__(self, x: Tensor, labels: Tensor, size: int) -> None:
        self.parts = [(x[at : at + size], labels[at : at + size]) for at in range(0, len(x), size)]

    def __len__(self) -> int:
        return len(self.parts)

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        return self.parts[index]


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, called in turn, so that a machine that slows down slows all of them; one round before."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            took = seconds(run)
            if round_:
                times[name].append(took)
    return {name: statistics.median(found) for name, found in times.items()}


def processor() -> str:
    """What this machine computes with."""
    return f"{_model_name()}, {'AVX-512' if 'avx512f' in _flags() else 'AVX2'}, {torch.get_num_threads()} threads"


def _cpuinfo() -> Iterator[tuple[str, str]]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            name, _, value = line.partition(":")
            yield name.strip(), value.strip()


def _model_name() -> str:
    return next((value for name, value in _cpuinfo() if name == "model name"), "a processor")


def _flags() -> str:
    return next((value for name, value in _cpuinfo() if name == "flags"), "")
