"""Train the example: a small Spikformer on scikit-learn's handwritten digits (1,797 images of 8 x 8, CC BY 4.0).

Writes ``spikformer-digits.pth.tar``, in the layout of the public training scripts, and ``digits.npz`` with the images
that it was not trained on. Half of the digits are for training, half for testing. Takes some minutes on two cores.

    python examples/train_digits.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from primesvt_core.families.spikformer import BlockConfig, Config, Spikformer

HERE = Path(__file__).parent
SIDE = 16
CONFIG = Config(
    variant="cifar", num_classes=10, in_channels=1, time_steps=4, image_size=SIDE, stem=(16, 32, 64), embed_dim=128,
    blocks=(BlockConfig(qk_dim=128, v_dim=128, mlp_dim=512),) * 2, num_heads=8, attention_scale=0.125,
)  # fmt: skip


def digits() -> tuple[Tensor, Tensor]:
    """Bytes ``(N, 1, 16, 16)``, enlarged from 8 x 8, and labels."""
    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) * (255 / 16)
    large = interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return large.round().clamp(0, 255).to(torch.uint8), torch.tensor(bunch.target)


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images moved by up to two pixels each way, noise added."""
    down, right = torch.randint(-2, 3, (2,), generator=generator).tolist()
    return torch.roll(images, (down, right), (2, 3)) + 0.05 * torch.randn(images.shape, generator=generator)


def accuracy(model: Spikformer, images: Tensor, labels: Tensor) -> float:
    """Share of the images that ``model`` gets right."""
    model.eval()
    with torch.inference_mode():
        return float((model(images).argmax(1) == labels).float().mean())


def train(epochs: int, seed: int) -> None:
    """Train, test, write both files."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = digits()
    learn, test = train_test_split(np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=seed)
    x, y = images[learn].float() / 255, labels[learn]
    x_test, y_test = images[test].float() / 255, labels[test]
    model = Spikformer(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    steps = epochs * (len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - 63, 64):
            chosen = order[start : start + 64]
            loss = cross_entropy(model(shifted(x[chosen], generator)), y[chosen], label_smoothing=0.1)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        tested = accuracy(model, x_test, y_test)
        print(f"epoch {epoch + 1}/{epochs}: loss {float(loss.detach()):.3f}, test accuracy {tested:.2%}")
    args = argparse.Namespace(
        model="spikformer", time_steps=4, num_heads=CONFIG.num_heads, img_size=SIDE, num_classes=10
    )
    content = {"epoch": epochs, "arch": "spikformer", "state_dict": model.state_dict(), "version": 2, "args": args}
    torch.save(content, HERE / "spikformer-digits.pth.tar")
    np.savez_compressed(HERE / "digits.npz", images=images[test].numpy(), labels=labels[test].numpy())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train(options.epochs, options.seed)
