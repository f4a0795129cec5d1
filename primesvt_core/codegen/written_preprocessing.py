"""Preprocessing as a standalone model has it: each function is copied as it stands here.

The names in capitals are the model's, which the generated file sets.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

RESIZE: int | None = None
CROP: int | None = None
INTERPOLATION = "bilinear"
MEAN: tuple[float, ...] | None = None
STD: tuple[float, ...] | None = None


def preprocess(sample: Any) -> Tensor:
    """One sample as the model takes it; several make a batch by ``torch.stack``.

    Args:
        sample: an image ``(H, W, C)``, bytes or floats in [0, 1]; or frames ``(T, C, H, W)``, whose counts of events
            stay as they are.

    Returns:
        ``(C, H, W)`` or ``(T, C, H, W)``, float32.
    """
    sample = torch.as_tensor(sample)
    if sample.dim() == 4:
        return torch.stack([fitted(step.permute(1, 2, 0)).float() for step in sample]).permute(0, 3, 1, 2)
    image = fitted(sample)
    image = image.float() / 255.0 if image.dtype == torch.uint8 else image.float()
    if MEAN is not None:
        image = image - torch.tensor(MEAN)
    if STD is not None:
        image = image / torch.tensor(STD)
    return image.permute(2, 0, 1)


def fitted(image: Tensor) -> Tensor:
    """An image ``(H, W, C)``, its shorter side resized to RESIZE, its centre of side CROP cut out."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    if RESIZE is not None and shorter != RESIZE:
        image = resized(image, RESIZE * height // shorter, RESIZE * width // shorter)
    return image if CROP is None else centre(image, CROP)


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """As Pillow does it, the only thing here that needs more than torch; images of the right size never come here."""
    import numpy as np
    from PIL import Image

    filter_ = Image.Resampling[INTERPOLATION.upper()]
    pixels = image.numpy()
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return torch.tensor(np.asarray(Image.fromarray(pixels).resize((width, height), filter_)))
    if pixels.dtype != np.uint8 or pixels.shape[2] != 1:
        pixels = pixels.astype(np.float32)
    planes = [
        Image.fromarray(np.ascontiguousarray(pixels[:, :, c])).resize((width, height), filter_)
        for c in range(pixels.shape[2])
    ]
    return torch.tensor(np.stack([np.asarray(plane) for plane in planes], axis=2))


def centre(image: Tensor, side: int) -> Tensor:
    """The centre of side ``side``; an image that is too small gets zeros around it."""
    height, width = image.shape[:2]
    below, right = max(0, side - height), max(0, side - width)
    if below or right:
        border = (0, 0, right // 2, right - right // 2, below // 2, below - below // 2)
        image = torch.nn.functional.pad(image, border)
        height, width = image.shape[:2]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return image[top : top + side, left : left + side]
