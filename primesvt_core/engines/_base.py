"""What an engine is: it computes many candidates on one block of images.

Which candidates, on which blocks, and when to stop is decided elsewhere; so blocks can be computed in any order, by any
process, and only where they matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from primesvt_core.pruning.patches import Patch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What one candidate predicts on some images, in their order.

    Attributes:
        classes: the predicted class of every image; of equal logits the first.
        right: whether that is the label.
        divergence: KL of the original's softmax against the candidate's, in nats; at least 0.
        margin: logit of the label less the highest of the others.
    """

    classes: tuple[int, ...]
    right: tuple[bool, ...]
    divergence: tuple[float, ...]
    margin: tuple[float, ...]


class Images(Protocol):
    """The images of a split in blocks of a fixed order."""

    def __len__(self) -> int:
        """How many blocks there are."""

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        """Images ``(B, C, H, W)`` or frames ``(B, T, C, H, W)`` float32, and labels ``(B,)`` int64."""


class Engine(Protocol):
    """Computes candidates of one model."""

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        """What each candidate predicts on the images of a block. The original is the candidate without changes."""

    def rebase(self, patch: Patch) -> None:
        """Say that candidates will follow which change this one further; nothing but their time depends on it."""
