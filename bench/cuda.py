"""The engine on a GPU beside spikingjelly's module on it: ``python -m bench.cuda [--json FILE]``.

Images a second of whole models, and of candidates with one group pruned, of which the engine computes what the group
changes; the module computes a candidate as it computes a whole model. *Plain* is the engine without recordings (CUDA
graphs) and with one rate at a time, *recorded* with the former alone, *ours* as it is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from bench.models import InMemory, random_images, spikformer
from primesvt_core.engines import blockwise
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.kernels import has_triton
from primesvt_core.engines.recordings import RECORDED_BYTES
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.evaluation.accuracy import pick_device
from primesvt_core.intake.loading import build
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.testing.models import FamilyModel
from primesvt_core.types import ChannelGroup, Plan

IMAGES, ROUNDS = 400, 3
BATCHES = (25, 50, 100, 400)
FORMS = {"plain": (0, False), "recorded": (RECORDED_BYTES, False), "ours": (RECORDED_BYTES, True)}
"""Forms of the engine: how large a batch is recorded, and whether rates of a group form one batch."""

RATES = (0.3, 0.5, 0.7, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    device = pick_device("cuda")
    drawn = spikformer(asked.blocks, asked.width)
    model = build(drawn.family, drawn.config, drawn.state).to(device)
    patches = [_silenced(drawn, group, rate) for group in drawn.groups[:: len(drawn.groups) // 4] for rate in RATES]
    x, labels = random_images(IMAGES)
    found: dict[str, float] = {}
    for size in BATCHES:
        images = InMemory(x, labels, size)
        reference, many = ReferenceEngine(model, images), IMAGES * len(patches)
        found[f"module, batches of {size}"] = 2 * IMAGES / _seconds(partial(_all, reference, images, [Patch()]))
        for name, (recorded, abreast) in FORMS.items():
            setattr(blockwise, "RECORDED_BYTES", recorded)  # noqa: B010  # beyond which nothing is recorded
            if not abreast:
                fresh = BlockEngine(model, images, kept_bytes=0)
                whole = IMAGES / _seconds(partial(_all, fresh, images, []))
                found[f"{name}, batches of {size}"] = whole
            engine = BlockEngine(model, images, abreast=abreast)
            found[f"{name}, candidates, batches of {size}"] = many / _seconds(partial(_all, engine, images, patches))
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, Triton: {has_triton()}")
    for name, rate in found.items():
        print(f"{name:44} {rate:12,.0f} images a second")
    if asked.json:
        asked.json.write_text(json.dumps({"gpu": torch.cuda.get_device_name(device), "images_a_second": found}))


def _silenced(model: FamilyModel, group: ChannelGroup, rate: float) -> Patch:
    scores = torch.rand(group.size, generator=torch.Generator().manual_seed(0)).tolist()
    return silencing(model.groups, Plan({group.name: select(group, scores, rate)}))


def _all(engine: ReferenceEngine | BlockEngine, images: InMemory, patches: list[Patch]) -> None:
    for block in range(len(images)):
        engine.evaluate(block, patches)


def _seconds(run: Callable[[], object]) -> float:
    """The fastest of several calls, after one that warms up."""
    run()
    took = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    return min(took)


if __name__ == "__main__":
    main()
