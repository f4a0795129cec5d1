"""Train a Spike-driven Transformer of 4 blocks, whose attention is masks, on Fashion-MNIST (MIT licence).

    python -m examples.train_fashion --data ../shared/data/fashion-mnist

reads the four original files and writes ``sdt-fashion.pth.tar``, in the layout of the public training scripts. It
learns for one time step first, which is four times as fast, then for all four; the test images are for the study.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from examples import training
from primesvt_core.families.sdtv1 import FAMILY, BlockConfig, Config

HERE = Path(__file__).parent
CHECKPOINT = "sdt-fashion.pth.tar"
MEAN, STD = 0.2860, 0.3530
HEADS = 8
CONFIG = Config(
    variant="cifar", num_classes=10, in_channels=1, time_steps=4, image_size=28, stem=(12, 24, 48), embed_dim=96,
    blocks=(BlockConfig(attention_dim=96, mlp_dim=384),) * 4, num_heads=HEADS, neuron="lif", pooling_stat="0101",
    dvs_mode=False, mlp_residual=False,
)  # fmt: skip
STAGES = (
    training.Stage(passes=5, rate=4e-3, time_steps=1, batch=100),
    training.Stage(passes=0.5, rate=1e-3, batch=50),
)


def part(folder: Path, name: str) -> training.Samples:
    """One of the two parts, ``train`` or ``t10k``, normalised."""
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    x = (torch.tensor(pixels).float() / 255 - MEAN) / STD
    return training.Samples(x=x, y=torch.tensor(labels).long())


def moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Moved, and half of the time mirrored."""
    mirrored = bool(torch.rand((), generator=generator) < 0.5)
    return training.shifted(x.flip(-1) if mirrored else x, generator)


def main() -> None:
    options = training.parser(__doc__, HERE / "trained")
    options.add_argument("--data", type=Path, required=True, help="folder of the four files")
    options.add_argument("--images", type=int, default=None, help="train on the first so many, to try the recipe")
    asked = options.parse_args()
    seen, unseen = part(asked.data, "train"), part(asked.data, "t10k")
    if asked.images is not None:
        seen, unseen = (training.Samples(x=each.x[: asked.images], y=each.y[: asked.images]) for each in (seen, unseen))
    model = training.train(FAMILY, CONFIG, seen, training.shortened(STAGES, asked.share), moved, asked.seed)
    print(f"accuracy on the {len(unseen):,} test images: {training.accuracy(model, unseen):.2%}")
    args = {
        "model": "sdt", "time_steps": CONFIG.time_steps, "num_heads": CONFIG.num_heads, "img_size": CONFIG.image_size,
        "num_classes": CONFIG.num_classes, "pooling_stat": CONFIG.pooling_stat, "dvs_mode": CONFIG.dvs_mode,
        "mean": (MEAN,), "std": (STD,),
    }  # fmt: skip
    training.save(model, args, "sdt", asked.out / CHECKPOINT)


if __name__ == "__main__":
    main()
