"""Train a Spikingformer for event cameras on N-MNIST frames: 500 of the 1,100 samples; the others are for the study.

    python -m examples.train_nmnist --data ../shared/data/n-mnist-small

reads two archives of frames (``nmnist-frames-T4-train.npz``, ``-test.npz``: ``images`` ``(N, 4, 2, 34, 34)``, counts of
events by time step and polarity, ``labels``). It writes ``spikingformer-nmnist.pth.tar``, in the layout of the public
training scripts, and ``nmnist-rest.npz`` with the 600 samples that it was not trained on. N-MNIST: Orchard et al. 2015,
CC BY-SA 4.0; what is written of its samples is under the same licence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from torch import Tensor

from examples import training
from primesvt_core.families._blocks import BlockConfig
from primesvt_core.families.spikingformer import FAMILY, Config

HERE = Path(__file__).parent
TRAINED_ON = 500
CHECKPOINT, REST = "spikingformer-nmnist.pth.tar", "nmnist-rest.npz"
CONFIG = Config(
    variant="dvs", num_classes=10, in_channels=2, time_steps=4, image_size=34, stem=(16, 32, 64, 128), embed_dim=128,
    blocks=(BlockConfig(qk_dim=128, v_dim=128, mlp_dim=512),) * 2, num_heads=8,
)  # fmt: skip
STAGES = (training.Stage(passes=60, rate=4e-3, batch=50),)


def frames(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All samples ``(N, 4, 2, 34, 34)`` and their labels."""
    parts = [np.load(folder / f"nmnist-frames-T4-{part}.npz") for part in ("train", "test")]
    return np.concatenate([part["images"] for part in parts]), np.concatenate([part["labels"] for part in parts])


def moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Events elsewhere, some of them gone."""
    kept = torch.rand(x.shape, generator=generator) > 0.1
    return training.shifted(x, generator) * kept


def main() -> None:
    options = training.parser(__doc__, HERE / "trained")
    options.add_argument("--data", type=Path, required=True, help="folder of the two archives")
    asked = options.parse_args()
    images, labels = frames(asked.data)
    learn, rest = train_test_split(
        np.arange(len(labels)), train_size=TRAINED_ON, stratify=labels, random_state=asked.seed
    )
    seen, unseen = (
        training.Samples(x=torch.tensor(images[places], dtype=torch.float32), y=torch.tensor(labels[places]).long())
        for places in (learn, rest)
    )
    model = training.train(
        FAMILY, CONFIG, seen, training.shortened(STAGES, asked.share), moved, asked.seed
    )  # fmt: skip
    print(f"accuracy on the {len(rest)} samples that it was not trained on: {training.accuracy(model, unseen):.2%}")
    args = {
        "model": "spikingformer", "time_steps": CONFIG.time_steps, "num_heads": CONFIG.num_heads,
        "img_size": CONFIG.image_size, "num_classes": CONFIG.num_classes, "downsampling": CONFIG.downsampling,
    }  # fmt: skip
    training.save(model, args, "spikingformer", asked.out / CHECKPOINT)
    np.savez_compressed(asked.out / REST, images=images[rest], labels=labels[rest])


if __name__ == "__main__":
    main()
