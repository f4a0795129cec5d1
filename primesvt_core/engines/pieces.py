"""How many images are computed at a time: few enough for the memory and the caches of a core."""

from __future__ import annotations

from primesvt_core.layers.model import SpikingModel

PIECE = 16
"""Images at a time, at the most. It does not depend on the number of threads."""

PIECE_BYTES = 128 << 20
"""What the first layer makes of them, at the most: of large pictures there are fewer at a time."""


def bytes_an_image(model: SpikingModel, pixels: int) -> int:
    """What the first layer makes of an image of so many pixels, if it leaves the image's sides as they are."""
    parameter = next(model.parameters())
    first = next((tensor for tensor in model.parameters() if tensor.dim() > 1), parameter)
    return model.time_steps * len(first) * pixels * parameter.element_size()


def at_a_time(model: SpikingModel, pixels: int) -> int:
    """Images of so many pixels that are computed at a time, at the most."""
    return max(1, min(PIECE, PIECE_BYTES // bytes_an_image(model, pixels)))


def piece_count(images: int, most: int) -> int:
    """In how many pieces of so many images, at the most: a power of two, which any number of threads shares evenly."""
    return min(images, 1 << (-(-images // most) - 1).bit_length())
