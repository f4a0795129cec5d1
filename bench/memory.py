"""Peak memory of one compression of a large model on many pictures: ``python -m bench.memory [--batch-sizes 1 8 50]``.

A Spikformer-8-512 (30 million parameters, 224x224, T = 4, random weights) on a tar of 50,000 JPEG in 1,000 classes; the
run is cut to 20 search images, 5 cells of the profile, 20 confirmation images and 20 for firing rates.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from argparse import Namespace
from pathlib import Path

PICTURES, CLASSES, SIDE, KINDS = 50_000, 1_000, 224, 20
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GROUPS = ("block.0.mlp.fc1", "block.3.mlp.fc1", "block.7.mlp.fc1", "block.4.attn.v", "stem.2")
SPEC = {
    "preset": "paper", "budget": {"max_accuracy_drop": 0.5}, "rates": [0.5], "groups": GROUPS, "profile": "full",
    "splits": {"search_images": 20, "confirmation_images": 20, "calibration_images": 20},
}  # fmt: skip
COMPRESS = [sys.executable, "-c", "from primesvt_client.commands.main import main; main()", "compress"]


def save_model(path: Path) -> None:
    """As the public training script saves one."""
    import torch

    from primesvt_core.families.spikformer import BlockConfig, Config
    from primesvt_core.testing.models import random_model

    width = 512
    config = Config(
        variant="imagenet", num_classes=CLASSES, in_channels=3, time_steps=4, image_size=SIDE, num_heads=8,
        stem=(width // 8, width // 4, width // 2), embed_dim=width, attention_scale=0.125,
        blocks=(BlockConfig(qk_dim=width, v_dim=width, mlp_dim=4 * width),) * 8,
    )  # fmt: skip
    state = random_model("spikformer", config).state
    torch.save({"state_dict": state, "args": Namespace(model="sew", time_steps=4, img_size=SIDE)}, path)


def save_pictures(path: Path) -> None:
    """Pictures of some kinds, each many times, in the folder of the class that the model takes it for.

    Every other class has one, so that all are there: a model whose accuracy guessing reaches would be refused.
    """
    import numpy as np
    from PIL import Image

    chance = np.random.default_rng(0)
    kinds = []
    for _ in range(KINDS):
        small = Image.fromarray(chance.integers(0, 255, (28, 28, 3), np.uint8))
        held = io.BytesIO()
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(held, "JPEG", quality=90)
        kinds.append(held.getvalue())
    classes = predicted(path.with_name("model.pth"), kinds)
    with tarfile.open(path, "w") as archive:
        for number in range(PICTURES):
            kind = number % KINDS
            label = number if number < CLASSES else classes[kind]
            info = tarfile.TarInfo(f"val/n{label:04d}/{number:05d}.jpeg")
            info.size = len(kinds[kind])
            archive.addfile(info, io.BytesIO(kinds[kind]))


def predicted(model: Path, pictures: list[bytes]) -> list[int]:
    """The class that a model takes each picture for."""
    import numpy as np
    import torch
    from PIL import Image

    from primesvt_core.intake.loading import load

    loaded, mean, std = load(model), torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    classes = []
    with torch.inference_mode():
        for picture in pictures:
            pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(picture)))).movedim(-1, 0) / 255
            classes.append(int(loaded(((pixels - mean) / std)[None]).argmax()))
    return classes


def peak_of(folder: Path, batch_size: int) -> tuple[float, float]:
    """Seconds, and GiB at the peak, of one run."""
    spec = folder / f"spec-{batch_size}.json"
    spec.write_text(json.dumps({**SPEC, "batch_size": batch_size}))
    asked = [
        folder / "model.pth",
        "--data",
        folder / "pictures.tar",
        "--out",
        folder / f"out-{batch_size}",
        "--spec",
        spec,
    ]
    began = time.perf_counter()
    with subprocess.Popen([*COMPRESS, *map(str, asked)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr  # a pipe was asked for
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(said.decode()[-2000:])
    return time.perf_counter() - began, usage.ru_maxrss / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=(1, 8, 50))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for made in (save_model, save_pictures):  # in processes of their own: what they hold is not the run's
            code = (
                f"import sys; from pathlib import Path; from bench.memory import *; {made.__name__}(Path(sys.argv[1]))"
            )
            target = folder / ("model.pth" if made is save_model else "pictures.tar")
            subprocess.run([sys.executable, "-c", code, str(target)], check=True)
            print(f"{target.name}: {target.stat().st_size / 1e6:.0f} MB", flush=True)
        for size in asked.batch_sizes:
            took, peak = peak_of(folder, size)
            print(f"batches of {size}: peak {peak:.2f} GiB, {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
