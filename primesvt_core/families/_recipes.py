"""Preprocessing of the public evaluation scripts, by image size (the settings that their papers were measured with)."""

from __future__ import annotations

from primesvt_core.data import Preprocessing

USUAL_SIZE = 224
CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def imagenet(size: int, resize: int | None = None) -> Preprocessing:
    """Shorter side to ``resize`` (``size`` if not given), centre crop, ImageNet's mean and deviation."""
    return Preprocessing(
        resize=resize or size, crop=size, interpolation="bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


def imagenet_cropped(size: int, share: float) -> Preprocessing:
    """The middle ``share`` of the side where the image is 224 or less; all of it where it is larger."""
    return imagenet(size, int(size / share) if size <= USUAL_SIZE else size)


def cifar10(size: int) -> Preprocessing:
    """CIFAR-10's mean and deviation; some public scripts use them for CIFAR-100 too."""
    return Preprocessing(resize=size, crop=size, interpolation="bicubic", mean=CIFAR10_MEAN, std=CIFAR10_STD)


def cifar100(size: int) -> Preprocessing:
    """CIFAR-100's own mean and deviation."""
    return Preprocessing(
        resize=size, crop=size, interpolation="bicubic", mean=(0.5071, 0.4867, 0.4408), std=(0.2675, 0.2565, 0.2761)
    )


def as_it_is(size: int) -> Preprocessing:
    """Scaled to the size, not normalised: event frames, grey images."""
    return Preprocessing(resize=size, crop=size)
