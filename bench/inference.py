"""Throughput of an 8-block Spikformer: ``python -m bench.inference --width 96 [--json FILE]``.

Images a second of the engine with the fastest kernels that are installed (``ours``), with torch alone (``torch``) and,
where it is installed, of onnxruntime, as multiples of spikingjelly's module, each at its best batch size of several.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch

from bench.models import InMemory, in_turn, processor, random_images, spikformer
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.kernels import Kernels, available
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.intake.loading import build
from primesvt_core.pruning.patches import Patch

BLOCKS, IMAGES, ROUNDS = 8, 100, 5
BATCHES = (10, 25, 50, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    drawn = spikformer(BLOCKS, asked.width)
    model = build(drawn.family, drawn.config, drawn.state)
    x, labels = random_images(IMAGES)
    forms: dict[str, Callable[[int], Callable[[], object]]] = {
        "module": lambda size: _module(ReferenceEngine(model, InMemory(x, labels, size)), InMemory(x, labels, size)),
        "ours": lambda size: _engine(model, InMemory(x, labels, size), available()),
        "torch": lambda size: _engine(model, InMemory(x, labels, size), "torch"),
    }
    runs = {f"{name} {size}": make(size) for name, make in forms.items() for size in BATCHES}
    times = in_turn(runs, ROUNDS)
    best = {name: min((times[f"{name} {size}"], size) for size in BATCHES) for name in forms}
    ratios: dict[str, float | None] = {name: best["module"][0] / best[name][0] for name in ("ours", "torch")}
    ratios["onnxruntime"] = None  # the file for onnxruntime is another issue's
    print(f"{processor()}; {BLOCKS} blocks of width {asked.width}, {IMAGES} images; kernels: {available()}")
    for name, (took, size) in best.items():
        print(f"{name:12} {IMAGES / took:8.1f} images a second at batches of {size:3}, {best['module'][0] / took:.2f}")
    if asked.json:
        document = {"width": asked.width, "kernels": available(), "processor": processor(), "ratios": ratios}
        asked.json.write_text(json.dumps(document, indent=2))


def _module(engine: ReferenceEngine, images: InMemory) -> Callable[[], object]:
    return lambda: [engine.logits(x, Patch()) for x, _ in images.parts]


def _engine(model: torch.nn.Module, images: InMemory, kernels: Kernels) -> Callable[[], object]:
    engine = BlockEngine(model, images, kernels=kernels, kept_bytes=0)  # type: ignore[arg-type]
    return lambda: [engine.evaluate(block, []) for block in range(len(images))]


if __name__ == "__main__":
    main()
