"""Profile and search: spikingjelly's module, the evaluator before the engine, and the engine, in one run.

    python -m bench.search --blocks 8 --width 96 --images 100 [--json FILE]
    python -m bench.search --checkpoint PATH --data PATH --search-images 1000 [--json FILE] [--found FILE]

The first form takes the full profile of a Spikformer with random weights; the second the paper's policy on a trained
model, profile and search, for 3 points of accuracy and no memory target.

*Plain* is spikingjelly's module at the best of several batch sizes, every candidate from the images: the median of 3
evaluations or more, before and after every round of ours, times the number of evaluations. *Before* is the evaluator of
the commit before the engine, which runs from a worktree of that commit; where a candidate could be given up early, its
time counts as if it had not been. *Ours* runs from start to end as users run it, decisions that come early included;
median of 3. With ``--found`` what the evaluator before finds is kept in a file, and taken from there the next time: on
a model of 8 blocks it alone takes most of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from bench.models import InMemory, processor, random_images, seconds, spikformer
from primesvt_client.presets import PRESETS
from primesvt_client.progress import silent
from primesvt_core.criteria.l2 import l2_scores
from primesvt_core.engines import blockwise, kernels
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.candidates import fingerprint
from primesvt_core.method.run import begin
from primesvt_core.method.search import goal
from primesvt_core.method.steps import StepProgress
from primesvt_core.pipeline import Request, prepare, sort
from primesvt_core.pruning.groups import plan_for
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.pruning.surgery import filters
from primesvt_core.spec import parse
from primesvt_core.types import Step

COMMIT_BEFORE = "0d67607"
ROOT = Path(__file__).resolve().parents[1]
BATCHES = (10, 25, 50, 100)
BATCH = 50
"""Images at a time of ours and of the evaluator before: what a spec has that says nothing."""

ROUNDS = 3
PLAIN = 3
"""Evaluations by the module, at the least."""

DROP = 0.03
PAPER_RATES: tuple[float, ...] = tuple(PRESETS["paper"]["rates"])
Bits = dict[str, str]
"""By the fingerprint of a plan, for every image whether the candidate is right."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One way through profile and search.

    Attributes:
        seconds: it took.
        bits: of candidates that were computed on all images.
        rates: what the policy chose, and its fallbacks; None of a profile.
        pairs: images of candidates that were computed.
        profile_share: of the full profile's image-cell pairs, those that were computed; None of a profile.
    """

    seconds: float
    bits: Bits
    rates: list[dict[str, float]] | None = None
    pairs: int = 0
    profile_share: float | None = None


def fastest(model: SpikingModel, x: Any, labels: Any) -> ReferenceEngine:
    """Spikingjelly's module at the best batch size."""
    engines = {size: ReferenceEngine(model, InMemory(x, labels, size)) for size in BATCHES if size <= len(x)}
    return engines[min(engines, key=lambda size: _seconds_an_image(engines[size], size))]


def plain_seconds(module: ReferenceEngine) -> float:
    """One evaluation of all images by it."""
    parts = range(len(module.images))
    return seconds(lambda: [module.logits(module.images.block(part)[0], Patch()) for part in parts])


def in_turn(case: Profile | Search, module: ReferenceEngine, rounds: int) -> tuple[float, list[Measured]]:
    """Seconds of an evaluation by the module, and the rounds of ours: in turn, since a machine's speed may change."""
    plain, ours = [plain_seconds(module)], list[Measured]()
    for number in range(1, rounds + 1):
        ours.append(case.ours())
        print(f"ours, round {number}: {ours[-1].seconds:.1f} s, {len(ours[-1].bits)} candidates", flush=True)
        plain.append(plain_seconds(module))
    plain += [plain_seconds(module) for _ in range(PLAIN - len(plain))]
    print("plain, an evaluation each: " + ", ".join(f"{one:.2f} s" for one in plain), flush=True)
    return statistics.median(plain), ours


def _seconds_an_image(engine: ReferenceEngine, size: int) -> float:
    some = engine.images.block(0)[0]
    return min(seconds(lambda: engine.logits(some, Patch())) for _ in range(2)) / size


@contextmanager
def before(asked: Mapping[str, Any], scratch: Path) -> Iterator[dict[str, Any]]:
    """What the evaluator before the engine finds."""
    worktree = scratch / "before"
    subprocess.run(
        ["git", "worktree", "add", "--quiet", "--detach", str(worktree), COMMIT_BEFORE], cwd=ROOT, check=True
    )
    try:
        (scratch / "asked.json").write_text(json.dumps(asked))
        shutil.copy(ROOT / "bench" / "before.py", worktree / "before_the_engine.py")
        subprocess.run(
            [sys.executable, "before_the_engine.py", str(scratch / "asked.json"), str(scratch / "found.json")],
            cwd=worktree, env={**os.environ, "PYTHONPATH": str(worktree)}, check=True,
        )  # fmt: skip
        yield json.loads((scratch / "found.json").read_text())
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(worktree)], cwd=ROOT, check=True)


def found_before(case: Profile | Search, scratch: Path, kept: Path | None) -> dict[str, Any]:
    """The same, from the file where an earlier run has kept it."""
    if kept and kept.exists():
        held: dict[str, Any] = json.loads(kept.read_text())
        if held["asked"] != case.asked:
            raise SystemExit(f"{kept} is of another checkpoint, data or number of images: {held['asked']}")
        return held
    with before(case.asked, scratch) as found:
        if kept:
            kept.write_text(json.dumps({**found, "asked": case.asked}))
        return found


@dataclass
class Profile:
    """The full profile of a model with random weights."""

    blocks: int
    width: int
    images: int
    form: kernels.Kernels
    asked: dict[str, Any] = field(default_factory=dict)

    def prepare(self, scratch: Path) -> tuple[SpikingModel, Any, Any]:
        drawn = spikformer(self.blocks, self.width)
        self.drawn, (self.x, self.labels) = drawn, random_images(self.images)
        save_file(drawn.state, scratch / "state.safetensors")
        np.savez(scratch / "images.npz", x=self.x.numpy(), y=self.labels.numpy())
        self.asked = {
            "state": str(scratch / "state.safetensors"), "images": str(scratch / "images.npz"), "batch": BATCH,
            "config": drawn.config.model_dump(mode="json"), "rates": PAPER_RATES,
        }  # fmt: skip
        return build(drawn.family, drawn.config, drawn.state), self.x, self.labels

    def ours(self) -> Measured:
        began = time.perf_counter()
        drawn = self.drawn
        scores = {group.name: l2_scores(filters(group, drawn.state)).tolist() for group in drawn.groups}
        images = InMemory(self.x, self.labels, BATCH)
        engine = BlockEngine(build(drawn.family, drawn.config, drawn.state), images, kernels=self.form)
        bits: Bits = {}
        for group in drawn.groups:
            plans = [plan_for({group.name: rate}, drawn.groups, scores) for rate in PAPER_RATES]
            named = {fingerprint(plan): silencing(drawn.groups, plan) for plan in plans if plan.kept}
            found = [engine.evaluate(block, [*named.values()]) for block in range(len(images))]
            for at, name in enumerate(named):
                bits[name] = "".join("01"[bit] for block in found for bit in block[at].right)
        return Measured(seconds=time.perf_counter() - began, bits=bits, pairs=len(bits) * self.images)


@dataclass
class Search:
    """The paper's policy on a trained model."""

    checkpoint: Path
    data: Path
    search_images: int
    form: kernels.Kernels

    def prepare(self, scratch: Path) -> tuple[SpikingModel, Any, Any]:
        self.asked: dict[str, Any] = {
            "checkpoint": str(self.checkpoint), "data": str(self.data),
            "spec": {
                "budget": {"max_accuracy_drop": DROP}, "policy": "prioritized", "batch_size": BATCH,
                "splits": {"search_images": self.search_images},
            },
        }  # fmt: skip
        candidates = prepare(self._request(scratch / "first"))
        splits = candidates.images
        seen = splits.preprocessing  # said to both: the other commit believes other arguments of a checkpoint
        if seen.mean is not None and seen.std is not None:
            self.asked["spec"]["preprocessing"] = {"mean": list(seen.mean), "std": list(seen.std)}
        whole = splits.blocks(splits.splits.search)
        parts = [whole.block(index) for index in range(len(whole))]
        x, labels = (np.concatenate([part[side].numpy() for part in parts]) for side in (0, 1))

        self.scratch = scratch
        return candidates.original, torch.from_numpy(x), torch.from_numpy(labels)

    def ours(self) -> Measured:
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        run = begin(prepare(self._request(folder)))
        began, split = time.perf_counter(), run.split
        start, spec = split.start(), run.candidates.spec
        wanted = goal(spec.budget, baseline_accuracy=start.accuracy, parameter_bytes=start.parameter_bytes)
        _, groups, rates = sort(run.candidates)
        method = run.method(groups, rates, start, wanted, None)
        method.profile(StepProgress(silent, Step.PROFILE, None))
        found = method.search(StepProgress(silent, Step.SEARCH, None)).search
        took = time.perf_counter() - began
        lines = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
        parts: dict[str, dict[int, str]] = {}
        for line in lines:
            kind, _, rest = line["key"].partition("/")
            if kind.startswith("search"):
                name, block = rest.split("/")
                parts.setdefault(name, {})[int(block)] = line["value"]["right"]
        joined = {name: "".join(blocks[at] for at in sorted(blocks)) for name, blocks in parts.items()}
        place = {where: at for at, where in enumerate(split.order)}
        chosen = [dict(point.rates) for point in (found.best, *found.fallbacks)]
        cells = [fingerprint(run.candidates.plan({group: rate})) for group, every in rates.items() for rate in every]
        computed = sum(len(joined.get(name, "")) for name in cells)
        return Measured(
            seconds=took, rates=chosen, pairs=sum(map(len, joined.values())),
            profile_share=computed / (len(cells) * split.total),
            bits={
                name: "".join(bits[place[at]] for at in range(split.total))
                for name, bits in joined.items() if len(bits) == split.total
            },
        )  # fmt: skip

    def _request(self, workspace: Path) -> Request:
        spec = parse({"preset": "paper", **self.asked["spec"]})  # which the other commit does not know
        return Request(
            checkpoint=self.checkpoint, data=self.data, spec=spec, out=workspace / "out", workspace=workspace
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--search-images", type=int, default=1000)
    parser.add_argument("--kernels", choices=("numba", "torch"), default=kernels.available())
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of ours, of which the median counts")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--found", type=Path, help="with a checkpoint: keeps what the evaluator before finds")
    asked = parser.parse_args()
    if asked.found and not asked.checkpoint:
        parser.error("--found needs --checkpoint")
    setattr(blockwise, "available", lambda: asked.kernels)  # noqa: B010  # what an engine takes unless it is told
    case: Profile | Search = (
        Search(asked.checkpoint.resolve(), asked.data.resolve(), asked.search_images, asked.kernels)
        if asked.checkpoint
        else Profile(asked.blocks, asked.width, asked.images, asked.kernels)
    )
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        model, x, labels = case.prepare(scratch)
        one, runs = in_turn(case, fastest(model, x, labels), asked.rounds)
        ours = sorted(runs, key=lambda run: run.seconds)[asked.rounds // 2]
        old = found_before(case, scratch, asked.found)
        document = {**compared(one, old, ours, asked.kernels, len(x)), "rounds": asked.rounds}
    print("\n".join(f"{name}: {value}" for name, value in document.items()))
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=2))


def compared(one: float, old: Mapping[str, Any], ours: Measured, form: str, images: int) -> dict[str, Any]:
    """What is written down of the three."""
    whole = old["bits"].keys() - {*old["given_up"]}
    same = [(old["bits"][name], bits) for name, bits in ours.bits.items() if name in whole]
    evaluations = len(old["bits"])
    return {
        "processor": processor(),
        "kernels": form,
        "evaluations": evaluations,
        "plain_seconds": one * evaluations,
        "today_seconds": old["seconds"],
        "seconds": ours.seconds,
        "ratio": one * evaluations / ours.seconds,
        "ratio_today": old["seconds"] / ours.seconds,
        "same_plan": None if ours.rates is None else ours.rates == old["rates"],
        "pairs": sum(len(bits) for bits, _ in same),
        "differing_predictions": sum(a != b for first, second in same for a, b in zip(first, second, strict=True)),
        "computed_pairs": ours.pairs,
        "profile_share": ours.profile_share,
        "images": images,
    }


if __name__ == "__main__":
    main()
