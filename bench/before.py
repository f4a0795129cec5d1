"""The evaluator of the commit before the engine, for `bench.search`: run by it from a worktree of that commit.

    python before.py ASKED RESULT

ASKED is a JSON file: either a model and images (``state``, ``config``, ``images``: a full profile of a Spikformer, and
of sliced models, ``sliced``, each a ``state`` and a ``config``, a pass through the images ``others``), or a
``checkpoint``, ``data`` and ``spec`` (the paper's policy, profile and search). RESULT gets the seconds, the
evaluations, the rates that the policy chose, and every candidate's correctness bits by the fingerprint of its plan.

A candidate whose images left cannot bring it within the allowed drop is given up, and its time counted as if it had not
been: seconds x images / images run. So that it is given up soon, it sees those images first that the original gets
wrong or nearly wrong; what is written has the images in their own order.
"""

# It is written against the library of that commit:
# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file

from primesvt_core.criteria._base import CRITERIA
from primesvt_core.data import Batch
from primesvt_core.engines.staged import TrialEvaluator  # type: ignore[import-not-found]  # of that commit
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.families import FAMILIES
from primesvt_core.intake.loading import build
from primesvt_core.method import candidates as candidates_module
from primesvt_core.method import profiling, search
from primesvt_core.pipeline import Request, prepare
from primesvt_core.policies import POLICIES
from primesvt_core.pruning import sizes
from primesvt_core.pruning.groups import plan_for
from primesvt_core.pruning.surgery import filters, silenced
from primesvt_core.spec import parse


class Clock:
    """Seconds of evaluations, as if none had been given up."""

    seconds = 0.0
    allowed: float | None = None
    given_up: ClassVar[list[str]] = []


class Stopping(TrialEvaluator):  # type: ignore[misc]
    """Gives candidates up that cannot come within the allowed drop; the images left count as wrong."""

    def __init__(self, model: Any, groups: Any, batches: Any, *others: Any) -> None:
        self.order, batches = hardest_first(model, [*batches])
        began = time.perf_counter()
        super().__init__(model, groups, batches, *others)
        Clock.seconds += time.perf_counter() - began
        self.baseline = self._in_their_order(self.baseline)

    def _in_their_order(self, bits: list[bool]) -> list[bool]:
        found = [False] * sum(map(len, self.labels))
        for place, bit in zip(self.order, bits, strict=False):
            found[place] = bit
        return found

    def correct(self, plan: Any) -> list[bool]:
        began = time.perf_counter()
        start = min((self.touched[name] for name in plan.kept), default=len(self.stages) - 1)
        while start and self.inputs[start] == []:
            start -= 1
        right: list[bool] = []
        total, most = sum(map(len, self.labels)), sum(self.baseline)
        with torch.inference_mode(), silenced(self.model, self.groups, plan):
            for kept, labels in zip(self.inputs[start], self.labels, strict=True):
                right += self._right(self._run(kept.to(self.device), start), labels)
                if (
                    Clock.allowed is not None
                    and most - sum(right) - (total - len(right)) > Clock.allowed * total + 1e-6
                ):
                    break
        Clock.seconds += (time.perf_counter() - began) * total / len(right)
        if len(right) < total:
            Clock.given_up.append(candidates_module.fingerprint(plan))
        return self._in_their_order(right)


def hardest_first(model: Any, batches: list[Batch]) -> tuple[list[int], list[Batch]]:
    """Batches of the same sizes in the order of the original's margins, and the places that their images had."""
    margins: list[float] = []
    with torch.inference_mode():
        for batch in batches:
            logits, labels = model(torch.from_numpy(batch.images)), torch.from_numpy(batch.labels)[:, None]
            margins += (logits.gather(1, labels)[:, 0] - logits.scatter(1, labels, -torch.inf).amax(1)).tolist()
    order = sorted(range(len(margins)), key=margins.__getitem__)
    images, labels = (np.concatenate([getattr(b, side) for b in batches]) for side in ("images", "labels"))
    ends = np.cumsum([len(batch.labels) for batch in batches])[:-1]
    parts = np.split(np.array(order), ends)
    return order, [Batch(images[part], labels[part]) for part in parts]


def full_profile(asked: dict[str, Any]) -> dict[str, Any]:
    family = FAMILIES.load("spikformer")
    config = family.config_type.model_validate(asked["config"])
    state = load_file(asked["state"])
    batches = batches_of(asked["images"], asked["batch"])
    groups = family.groups(config)
    scores = {group.name: CRITERIA.load("l2").score(filters(group, state)).tolist() for group in groups}
    evaluator = Stopping(build(family, config, state), groups, batches)
    bits = {}
    for group in groups:
        for rate in asked["rates"]:
            plan = plan_for({group.name: rate}, groups, scores)
            if plan.kept and (name := candidates_module.fingerprint(plan)) not in bits:
                bits[name] = "".join("01"[bit] for bit in evaluator.correct(plan))
    return {"rates": None, "bits": bits, "passes": passes(asked) if "sliced" in asked else None}


def batches_of(file: str, size: int) -> list[Batch]:
    held = np.load(file)
    images, labels = held["x"], held["y"]
    return [Batch(images[i : i + size], labels[i : i + size]) for i in range(0, len(images), size)]


def passes(asked: dict[str, Any]) -> dict[str, Any]:
    family = FAMILIES.load("spikformer")
    batches, bits, began = batches_of(asked["others"], asked["batch"]), [], time.perf_counter()
    for one in asked["sliced"]:
        model = build(family, family.config_type.model_validate(one["config"]), load_file(one["state"]))
        bits.append("".join("01"[bit] for bit in correct(model, batches)))
    return {"seconds": time.perf_counter() - began, "bits": bits}


def searched(asked: dict[str, Any]) -> dict[str, Any]:
    candidates_module.TrialEvaluator = Stopping
    spec = parse(asked["spec"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        candidates = prepare(
            Request(checkpoint=Path(asked["checkpoint"]), data=Path(asked["data"]), spec=spec, out=folder / "out",
                    workspace=folder / "workspace")
        )  # fmt: skip
        start = candidates.start()
        goal = search.goal(spec.budget, baseline_accuracy=start.accuracy, parameter_bytes=start.parameter_bytes)
        Clock.allowed = goal.allowed_drop
        layers = sizes.sort_layers(candidates.family.layers(candidates.config), candidates.inspection.shapes)
        groups = sizes.sort_groups(candidates.groups, layers)
        cells = profiling.profile(
            groups, spec.rates, candidates.kept, candidates.evaluate, start.accuracy, lambda _: None
        )
        policy = POLICIES.load(spec.policy).with_params({})
        found = search.run_rounds(goal, cells, start, candidates.memory, policy, candidates.evaluate, recovers=False)
        lines = map(json.loads, (folder / "workspace" / "cells.jsonl").read_text().splitlines())
        bits = {line["key"].removeprefix("search/"): line["value"] for line in lines}
    curves = [dict(point.rates) for point in (found.best, *found.fallbacks)]
    return {"rates": curves, "bits": bits}


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    found = full_profile(asked) if "state" in asked else searched(asked)
    Path(sys.argv[2]).write_text(json.dumps({**found, "seconds": Clock.seconds, "given_up": Clock.given_up}))


if __name__ == "__main__":
    main()
