"""A standalone model as a folder: source code, weights, what it is, an example."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from primesvt_client.version import __version__
from primesvt_core.checkpoints.precisions import Encoded
from primesvt_core.codegen.programs import Described, imported, program
from primesvt_core.codegen.weights import weights

MODEL, WEIGHTS, README, EXAMPLE = "model.py", "weights.pt", "README.md", "example.py"

EXAMPLE_TEXT = '''"""One prediction: python example.py"""

import torch
from model import IMAGE_SHAPE, load, preprocess

model = load()
channels, height, width = IMAGE_SHAPE
image = torch.randint(0, 256, (height, width, channels), dtype=torch.uint8)  # in the place of a picture of yours

with torch.inference_mode():
    (logits,) = model(preprocess(image).unsqueeze(0))
print(f"class {int(logits.argmax())}, logits {[round(float(logit), 4) for logit in logits]}")
'''

FRAMES_TEXT = '''"""One prediction: python example.py"""

import torch
from model import IMAGE_SHAPE, TIME_STEPS, load, preprocess

model = load()
frames = torch.poisson(torch.full((TIME_STEPS, *IMAGE_SHAPE), 0.1))  # in the place of counts of events of yours

with torch.inference_mode():
    (logits,) = model(preprocess(frames).unsqueeze(0))
print(f"class {int(logits.argmax())}, logits {[round(float(logit), 4) for logit in logits]}")
'''

EVENT_CHANNELS = 2
"""Of models of event frames: one a polarity."""

README_TEXT = """# {title}, for {needs}

{summary} Written by PrimeSVT {version}.

| file | what it is |
|---|---|
| `model.py` | the network as classes with named layers, its neurons written out, preprocessing, `load()` |
| `weights.pt` | a state dict, {stored}, which `torch.load(..., weights_only=True)` reads |
| `example.py` | one prediction |

It needs Python 3.10 or newer and {needs}{pillow}; nothing of PrimeSVT. It was written with torch {torch}
and compared there with the model in PrimeSVT: on one machine its logits are the same, bit for bit.

```python
import torch
from model import load, preprocess

model = load()
with torch.inference_mode():
    logits = model(torch.stack([preprocess(image) for image in images]))  # (B, {classes})
```

## Input

`model(images)` takes float32 images `(B, {channels}, {side}, {side})`, which it shows at each of {time_steps} steps,
or frames `(B, T, {channels}, {side}, {side})`, one a time step. `preprocess(image)` makes one of an image `(H, W, C)`,
bytes or floats in [0, 1]{preprocessing}; or of frames `(T, C, H, W)`, whose counts of events stay as they
are. Every call starts from resting neurons.

## Limits

- {gradients}
- {limits}
- Sizes are this model's: a model that is pruned further is exported again.

## Layers

| layer | weight | stored as |
|---|---|---|
{layers}
"""


def write_folder(folder: Path, described: Described, stored: Mapping[str, Encoded], summary: str) -> None:
    """Write a standalone model into an empty folder.

    Args:
        folder: to write into.
        described: what is written.
        stored: weights that the model's file has in a lower precision.
        summary: a sentence that says where the model comes from.

    Raises:
        ExportError: if it cannot be written.
    """
    found = program(described)
    (folder / MODEL).write_text(found.source, encoding="utf-8")
    written = getattr(imported(folder / MODEL), found.name)()
    tensors = weights(described.model.state_dict(), stored, tuple(written.state_dict()))
    torch.save(tensors, folder / WEIGHTS)
    has_frames = described.config.in_channels == EVENT_CHANNELS
    (folder / EXAMPLE).write_text(FRAMES_TEXT if has_frames else EXAMPLE_TEXT, encoding="utf-8")
    (folder / README).write_text(_readme(described, tensors, summary), encoding="utf-8")


def _readme(described: Described, tensors: Mapping[str, Tensor], summary: str) -> str:
    config, preprocessing = described.config, described.preprocessing
    layers = {name: tensor for name, tensor in tensors.items() if name.endswith(".weight") and tensor.dim() > 1}
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in layers.values()}
    stored = f"weights as {' and '.join(sorted(kinds))}" + (" with scales" if described.has_scales else "")
    done = [
        f", its shorter side resized to {preprocessing.resize}" if preprocessing.resize else "",
        f", its centre of {preprocessing.crop} cut out" if preprocessing.crop else "",
        f", minus {list(preprocessing.mean)}" if preprocessing.mean else "",
        f", divided by {list(preprocessing.std)}" if preprocessing.std else "",
    ]
    alone = "An image's logits do not depend on the others of its batch, but for the order in which torch adds."
    leaking = (
        "As in the public code, a membrane is carried from image to image of a batch (`compat_batch_leak`): logits"
        " depend on what else is in the batch."
    )
    gradients = (
        "It is for inference: spikes are comparisons, through which no gradient flows."
        if described.kind == "torch"
        else "`load()` is ready for inference; its neurons learn by surrogate gradients after `model.train()` and"
        " `model.requires_grad_()`."
    )
    return README_TEXT.format(
        gradients=gradients,
        title=described.family.title, needs=described.needs, summary=summary, version=__version__, stored=stored,
        torch=torch.__version__.partition("+")[0], classes=config.num_classes, channels=config.in_channels,
        side=config.image_size, time_steps=config.time_steps, preprocessing="".join(done),
        pillow=", and Pillow for images of another size" if preprocessing.resize else "",
        limits=leaking if described.model.depends_on_batch else alone,
        layers="\n".join(
            f"| `{name.removesuffix('.weight')}` | {' x '.join(map(str, tensor.shape))} |"
            f" {str(tensor.dtype).removeprefix('torch.')} |"
            for name, tensor in layers.items()
        ),
    )  # fmt: skip
