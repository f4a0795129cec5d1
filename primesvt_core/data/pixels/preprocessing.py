"""From a decoded sample to what a model takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from primesvt_core.data._base import refuse
from primesvt_core.spec import PreprocessingOverrides

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
FRAMES_DIMENSIONS = 4
MAX_PIXELS = 64_000_000
"""Of a resized sample; one that is long and thin grows beyond every bound when its shorter side is fitted."""


class Preprocessing(BaseModel):
    """Resize the shorter side, crop the centre, scale bytes to 0-1, normalise; what is None is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def overridden(self, overrides: PreprocessingOverrides) -> Preprocessing:
        """This preprocessing with what the user gave in place of the family's."""
        return self.model_copy(update=overrides.model_dump(exclude_none=True))

    def apply(self, sample: NDArray[Any]) -> NDArray[np.float32]:
        """One sample as the model takes it.

        Args:
            sample: an image ``(H, W, C)`` or frames ``(T, C, H, W)``; bytes or floats.

        Returns:
            ``(C, H, W)`` or ``(T, C, H, W)``. Event counts of frames are neither scaled nor normalised.
        """
        if sample.ndim == FRAMES_DIMENSIONS:
            steps = [self._resized(step.transpose(1, 2, 0)) for step in sample]
            return np.stack([step.astype(np.float32) for step in steps]).transpose(0, 3, 1, 2)
        if sample.dtype != np.uint8 and sample.dtype.kind != "f":
            raise refuse("data_format", f"pixels are {sample.dtype}, whose white is not known; give bytes or floats")
        image = self._resized(sample)
        self._check_statistics(image.shape[2])
        scaled = image.astype(np.float32) / 255.0 if image.dtype == np.uint8 else image.astype(np.float32)
        return self._normalised(scaled).transpose(2, 0, 1)

    def _check_statistics(self, channels: int) -> None:
        """One mean and deviation a channel; a grey image is normalised into as many channels as they have."""
        lengths = [len(values) for values in (self.mean, self.std) if values is not None]
        if len({channels, *lengths} - {1}) > 1:
            counts = " and ".join(map(str, lengths))
            raise refuse("data_channels", f"mean and std have {counts} values, but the images have {channels} channels")

    def _normalised(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.mean is not None:
            image = np.subtract(image, np.asarray(self.mean, np.float32), dtype=np.float32)
        if self.std is not None:
            image = np.divide(image, np.asarray(self.std, np.float32), dtype=np.float32)
        return image

    def _resized(self, image: NDArray[Any]) -> NDArray[Any]:
        """``(H, W, C)`` to the size wanted; untouched where it has that size already."""
        height, width = image.shape[:2]
        shorter = min(height, width)
        if self.resize is not None and shorter != self.resize:
            # Rounded down, and the crop's corner to the nearest, as torchvision does.
            height, width = self.resize * height // shorter, self.resize * width // shorter
            if height * width > MAX_PIXELS:
                raise refuse("data_unsafe", f"an image would have {width} x {height} pixels after resizing")
            image = _scaled(image, height, width, FILTERS[self.interpolation])
        return image if self.crop is None else _centre(image, self.crop)


def _scaled(image: NDArray[Any], height: int, width: int, filter_: Image.Resampling) -> NDArray[Any]:
    """Resize as Pillow does: colour bytes as one image, everything else channel by channel in float."""
    if image.dtype == np.uint8 and image.shape[2] in (1, 3):
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        resized = np.asarray(picture.resize((width, height), filter_))
        return resized[:, :, None] if resized.ndim == 2 else resized
    planes = [
        Image.fromarray(image[:, :, c].astype(np.float32)).resize((width, height), filter_)
        for c in range(image.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _centre(image: NDArray[Any], side: int) -> NDArray[Any]:
    """The centre of side ``side``; an image that is too small is padded with zeros around it."""
    height, width = image.shape[:2]
    below, right = max(0, side - height), max(0, side - width)
    if below or right:
        image = np.pad(image, ((below // 2, below - below // 2), (right // 2, right - right // 2), (0, 0)))
        height, width = image.shape[:2]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return image[top : top + side, left : left + side]
