"""Preprocessing of the public evaluation scripts, by image size (the settings that their papers were measured with)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import FamilyConfig
from primesvt_core.spec import PreprocessingOverrides

GREY, COLOURS = 1, 3
USUAL_SIZE = 224
LEAST_SHARE = 0.01
CIFAR100_CLASSES = 100
CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)

Recipe = Callable[[int], Preprocessing]
"""Preprocessing by image size."""

Statistics = tuple[float, float, float]


def imagenet(size: int, resize: int | None = None) -> Preprocessing:
    """Shorter side to ``resize`` (``size`` if not given), centre crop, ImageNet's mean and deviation."""
    return Preprocessing(
        resize=resize or size, crop=size, interpolation="bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


def imagenet_cropped(share: float, largest: float = USUAL_SIZE) -> Recipe:
    """The middle ``share`` of the side where the image is ``largest`` or less; all of it where it is larger."""
    return lambda size: imagenet(size, int(size / share) if size <= largest else size)


def whole(mean: Statistics, std: Statistics) -> Recipe:
    """All of the image, normalised."""
    return lambda size: Preprocessing(resize=size, crop=size, interpolation="bicubic", mean=mean, std=std)


cifar10 = whole(CIFAR10_MEAN, (0.2470, 0.2435, 0.2616))
"""CIFAR-10's mean and deviation; some public scripts use them for CIFAR-100 too."""

cifar100 = whole((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
"""CIFAR-100's own mean and deviation."""


def cifar(num_classes: int) -> Recipe:
    """The data set's own mean and deviation."""
    return cifar100 if num_classes == CIFAR100_CLASSES else cifar10


def as_it_is(size: int) -> Preprocessing:
    """Scaled to the size, not normalised: event frames, grey images."""
    return Preprocessing(resize=size, crop=size)


def for_colours(config: FamilyConfig, recipes: Mapping[str, Recipe]) -> Preprocessing:
    """The variant's recipe for images of three colours; what has other channels, or no recipe, is taken as it is."""
    known = recipes if config.in_channels == COLOURS else {}
    return known.get(config.variant, as_it_is)(config.image_size)


def overrides_of(args: Mapping[str, object], config: FamilyConfig) -> PreprocessingOverrides:
    """Overrides for colour and grey images in a training script's arguments, as timm calls them.

    What is invalid, and statistics of another number of channels, is left out; so is everything for event frames.
    """
    if config.in_channels not in (GREY, COLOURS):
        return PreprocessingOverrides()
    statistics = {n: value for n in ("mean", "std") if _is_of(config.in_channels, value := args.get(n))}
    fields = {**statistics, "interpolation": args.get("interpolation"), "resize": _resize(args, config.image_size)}
    return PreprocessingOverrides.model_validate(
        {name: fields[name] for name in fields if _is_valid(name, fields[name])}
    )


def _is_of(channels: int, value: object) -> bool:
    return isinstance(value, tuple) and len(value) == channels


def _resize(args: Mapping[str, object], size: int) -> int | None:
    share = args.get("crop_pct")
    if not isinstance(share, int | float) or isinstance(share, bool) or not LEAST_SHARE <= share <= 1:
        return None
    return math.floor(size / share)


def _is_valid(name: str, value: object) -> bool:
    try:
        PreprocessingOverrides.model_validate({name: value}, strict=True)
    except ValidationError:
        return False
    return True
