"""What the deep preset asks of the engine most, beside the evaluator before it: ``python -m bench.tables``.

    python -m bench.tables --checkpoint PATH --data PATH [--json FILE]

A table of divergences of every group at every rate on 256 images, and a pass of 4,000 images through three sliced
models of a Spikformer. The evaluator before the engine, which knew no divergence, counts who is right instead.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue
from safetensors.torch import save_file
from torch import Tensor

from bench.models import InMemory, processor, seconds
from bench.search import BATCH, PAPER_RATES, ROUNDS, before
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.intake.loading import build
from primesvt_core.method.candidates import Candidates
from primesvt_core.pipeline import Request, prepare
from primesvt_core.pruning.groups import plan_for
from primesvt_core.pruning.patches import silencing
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import parse

COMPARED, CONFIRMED = 256, 4000
SLICED = (0.25, 0.5, 0.75)
"""Rates of the three sliced models, the same one for all groups."""


@dataclass(frozen=True)
class Part:
    """Images of one split."""

    x: Tensor
    labels: Tensor

    def save(self, file: Path) -> str:
        np.savez(file, x=self.x.numpy(), y=self.labels.numpy())
        return str(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        document = measured(asked.checkpoint, asked.data, Path(name))
    print("\n".join(f"{name}: {value}" for name, value in document.items()))
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=2))


def measured(checkpoint: Path, data: Path, scratch: Path) -> dict[str, Any]:
    """Both evaluators on the same model and images."""
    splits: dict[str, JsonValue] = {"search_images": COMPARED, "confirmation_images": CONFIRMED}
    spec = parse({"preset": "paper", "budget": {"max_accuracy_drop": 0.03}, "splits": splits, "batch_size": BATCH})
    ours = prepare(
        Request(checkpoint=checkpoint, data=data, spec=spec, out=scratch / "out", workspace=scratch / "work")
    )
    found = ours.images.splits
    compared, confirmed = _part(ours, found.search), _part(ours, found.confirmation)
    tables = [seconds(lambda: table(ours, compared)) for _ in range(ROUNDS)]
    passes = [seconds(lambda: _passes(ours, confirmed)) for _ in range(ROUNDS)]
    with before(_asked(ours, compared, confirmed, scratch), scratch) as old:
        bits = "".join(_passes(ours, confirmed))
        differing = sum(a != b for a, b in zip(bits, "".join(old["passes"]["bits"]), strict=True))
        mine = statistics.median(tables) + statistics.median(passes)
        others = old["seconds"] + old["passes"]["seconds"]
    return {
        "processor": processor(),
        "candidates": len(old["bits"]),
        "table_seconds": statistics.median(tables),
        "passes_seconds": statistics.median(passes),
        "table_before": old["seconds"],
        "passes_before": old["passes"]["seconds"],
        "share": mine / others,
        "differing_predictions": differing,
        "pairs": len(bits),
    }


def _part(candidates: Candidates, places: Any) -> Part:
    blocks = candidates.images.blocks(places)
    parts = [blocks.block(index) for index in range(len(blocks))]
    return Part(*(torch.cat([part[side] for part in parts]) for side in (0, 1)))


def table(candidates: Candidates, part: Part) -> list[float]:
    """The mean divergence of every group at every rate."""
    images = InMemory(part.x, part.labels, BATCH)
    engine = BlockEngine(candidates.original, images)
    found = []
    for group in candidates.groups:
        plans = [plan_for({group.name: rate}, candidates.groups, candidates.scores) for rate in PAPER_RATES]
        patches = [silencing(candidates.groups, plan) for plan in plans if plan.kept]
        blocks = [engine.evaluate(block, patches) for block in range(len(images))]
        found += [sum(sum(one.divergence) for one in each) / len(part.x) for each in zip(*blocks, strict=True)]
    return found


def _sliced(candidates: Candidates) -> list[tuple[Any, dict[str, Tensor]]]:
    names = [group.name for group in candidates.groups]
    plans = [plan_for(dict.fromkeys(names, rate), candidates.groups, candidates.scores) for rate in SLICED]
    return [prune(candidates.family, candidates.config, candidates.state, plan) for plan in plans]


def _passes(candidates: Candidates, part: Part) -> list[str]:
    """For every sliced model, image by image, whether it is right."""
    images = InMemory(part.x, part.labels, BATCH)
    models = (build(candidates.family, config, state) for config, state in _sliced(candidates))
    return ["".join("01"[bit] for bit in correct(model, images)) for model in models]


def _asked(candidates: Candidates, compared: Part, confirmed: Part, scratch: Path) -> dict[str, Any]:
    def saved(name: str, config: Any, state: dict[str, Tensor]) -> dict[str, Any]:
        file = scratch / f"{name}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, file)
        return {"config": config.model_dump(mode="json"), "state": str(file)}

    return {
        **saved("original", candidates.config, dict(candidates.state)),
        "images": compared.save(scratch / "compared.npz"),
        "others": confirmed.save(scratch / "confirmed.npz"),
        "sliced": [saved(f"sliced-{at}", *one) for at, one in enumerate(_sliced(candidates))],
        "rates": PAPER_RATES,
        "batch": BATCH,
    }


if __name__ == "__main__":
    main()
