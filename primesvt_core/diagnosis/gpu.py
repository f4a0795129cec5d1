"""A GPU beside the CPU, on a small model of drawn weights: logits, decisions, and the time of one evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from primesvt_core.diagnosis._base import Finding, State
from primesvt_core.engines import Images, Predictions
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.evaluation.accuracy import pick_device
from primesvt_core.families.spikformer import BlockConfig, Config
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.testing.models import FamilyModel, random_model
from primesvt_core.types import Plan

MODEL = Config(
    variant="cifar", num_classes=10, in_channels=3, time_steps=4, image_size=32, stem=(24, 48, 96), embed_dim=192,
    blocks=(BlockConfig(qk_dim=192, v_dim=192, mlp_dim=768),) * 2, num_heads=8, attention_scale=0.125,
)  # fmt: skip
"""A Spikformer for CIFAR that both compute within seconds."""

BATCH, BLOCKS = 32, 8
RATES = (0.25, 0.5, 0.75)
SECONDS = 120.0
"""After which no further block is compared: the processor may be slow."""

CLOSE = 1e-3
"""Logits that differ by more have a spike that one rounds up and the other down."""

MOST_OTHERWISE = 0.02
"""Share of predictions that may differ: a spike at its threshold is a tie, which every device breaks in its own way."""

MOST_FLIPPED = 0.2
"""Share of images with a flipped spike from which on the devices do not compute the same."""


class Drawn:
    """Images by chance, in blocks, with labels of 0."""

    def __init__(self, blocks: int) -> None:
        chance = torch.Generator().manual_seed(0)
        shape = (blocks, BATCH, MODEL.in_channels, MODEL.image_size, MODEL.image_size)
        self.x = torch.randn(shape, generator=chance)

    def __len__(self) -> int:
        return len(self.x)

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        """Images ``(B, C, H, W)`` and their labels."""
        return self.x[index], torch.zeros(BATCH, dtype=torch.int64)


def findings(device: str = "auto", seconds: float = SECONDS) -> Iterator[Finding]:
    """Compare a device with the CPU; says so where there is no GPU.

    Args:
        device: ``auto`` for the first GPU, or its name.
        seconds: after which the comparison ends with what was seen.
    """
    if device == "auto" and not torch.cuda.is_available():
        how = f"torch {torch.__version__} is built for CUDA {torch.version.cuda}" if torch.version.cuda else (
            f"torch {torch.__version__} is built for the CPU alone"
        )  # fmt: skip
        yield Finding(part="gpu", state=State.NOTED, detail=f"torch finds no GPU on this machine; {how}")
        return
    place = pick_device(device)
    if place.type == "cuda":
        facts = torch.cuda.get_device_properties(place)
        memory = f"{facts.total_memory / 2**30:.0f} GiB"
        told = f"{facts.name}, {memory}, compute {facts.major}.{facts.minor}, CUDA {torch.version.cuda}"
        yield Finding(part="gpu", state=State.NOTED, detail=told)
    yield from compare(place, Drawn(BLOCKS), seconds)


def compare(place: torch.device, images: Images, seconds: float) -> Iterator[Finding]:
    """Logits and predictions of a device beside the CPU's, for the original and for candidates, and the times."""
    drawn = random_model("spikformer", MODEL)
    models = [build(drawn.family, drawn.config, drawn.state).to(where) for where in (torch.device("cpu"), place)]
    yield _logits(models, images)
    yield from _decisions(drawn, models, images, seconds)


def _logits(models: list[SpikingModel], images: Images) -> Finding:
    """The modules as they are, on one block."""
    x, _ = images.block(0)
    with torch.inference_mode():
        cpu, other = (model(x.to(next(model.parameters()))).cpu() for model in models)
    differing = (cpu - other).abs().amax(1)
    flipped = int((differing > CLOSE).sum())
    most = float(differing.max())
    detail = f"logits of {len(x)} images differ by at most {most:.2g}, of {flipped} by a flipped spike"
    bad = not torch.isfinite(other).all() or flipped > MOST_FLIPPED * len(x)
    return Finding(part="logits", state=State.BAD if bad else State.GOOD, detail=detail)


def _decisions(drawn: FamilyModel, models: list[SpikingModel], images: Images, seconds: float) -> Iterator[Finding]:
    """What the engine predicts, block by block, of the original and of some candidates."""
    patches = [Patch(), *(silencing(drawn.groups, _plan(drawn, rate)) for rate in RATES)]
    engines = [BlockEngine(model, images) for model in models]
    began, times = time.monotonic(), ([0.0], [0.0])
    compared = otherwise = blocks = 0
    for block in range(len(images)):
        if block and time.monotonic() - began > seconds:
            break
        pair = [_timed(engine, block, patches, spent) for engine, spent in zip(engines, times, strict=True)]
        for one, other in zip(*pair, strict=True):
            compared += len(one.classes)
            otherwise += sum(a != b for a, b in zip(one.classes, other.classes, strict=True))
        blocks += 1
    share = otherwise / compared
    detail = f"{otherwise} of {compared} predictions of {len(patches)} candidates differ ({share:.2%})"
    if share > MOST_OTHERWISE:
        detail += "; more than ties explain: report it with all of this"
    yield Finding(part="decisions", state=State.BAD if share > MOST_OTHERWISE else State.GOOD, detail=detail)
    for where, spent in zip(("cpu", str(next(models[1].parameters()).device)), times, strict=True):
        per_image = 1000 * spent[0] / (max(1, blocks - 1) * BATCH * len(patches))
        told = (
            f"{where}: {per_image:.2f} ms an image and candidate, {len(patches)} candidates of {BATCH} images a block"
        )
        yield Finding(part="time", state=State.NOTED, detail=told)


def _timed(engine: BlockEngine, block: int, patches: list[Patch], spent: list[float]) -> list[Predictions]:
    """What an engine predicts; the first block, in which kernels are made ready, is not counted."""
    _settle(engine)
    began = time.perf_counter()
    found = engine.evaluate(block, patches)
    _settle(engine)
    spent[0] += time.perf_counter() - began if block else 0.0
    return found


def _settle(engine: BlockEngine) -> None:
    if engine.like.is_cuda:
        torch.cuda.synchronize(engine.like.device)


def _plan(drawn: FamilyModel, rate: float) -> Plan:
    chance = torch.Generator().manual_seed(1)
    scores = {group.name: torch.rand(group.size, generator=chance).tolist() for group in drawn.groups}
    return Plan({group.name: select(group, scores[group.name], rate) for group in drawn.groups})
