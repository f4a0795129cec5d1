"""Accuracies after fewer time steps, from one pass, beside runs for so many: ``python -m bench.time_steps MODEL DATA``.

    python -m bench.time_steps runs/cifar10/model.safetensors ../shared/data/cifar10 --images 1000

For every T' up to the model's own: the accuracy of the first T' steps of one pass, and that of the model built for T'.
Ends with 1 if they differ on an image.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.splits import open_splits
from primesvt_core.evaluation.time_steps import correct_by_step
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build, load
from primesvt_core.spec import SplitSizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=None, help="of the data set, the first so many; all if not given")
    asked = parser.parse_args()
    found, model = inspect(asked.model), load(asked.model)
    images = open_splits(found, asked.data, found.overrides, SplitSizes(), seed=0, batch_size=50)
    places = [*range(len(images.data))][: asked.images]
    blocks, began = images.blocks(places), time.perf_counter()
    at_once = correct_by_step(model, blocks)
    print(f"{len(places):,} images, one pass: {time.perf_counter() - began:.0f} s")
    differing = 0
    for steps, right in enumerate(at_once, 1):
        shorter = build(found.family, found.config.model_copy(update={"time_steps": steps}), model.state_dict())
        alone = correct(shorter, blocks)
        differs = sum(a != b for a, b in zip(right, alone, strict=True))
        differing += differs
        shown = [f"{sum(each) / len(each):.2%}" for each in (right, alone)]
        print(f"T' = {steps}: {shown[0]} of one pass, {shown[1]} of a run, {differs} images differ", flush=True)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
