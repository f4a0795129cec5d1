"""What a criterion is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from primesvt_core.errors import SpecError
from primesvt_core.registry import Need, Registry, WithNeeds
from primesvt_core.types import ChannelGroup

if TYPE_CHECKING:
    from torch import Tensor

    from primesvt_core.criteria._scoring import Scoring


@dataclass(frozen=True, kw_only=True)
class Criterion(WithNeeds):
    """One way to score the channels of a group.

    Attributes:
        score: from what is at hand and a group to ``(size,)`` floating-point scores; larger means keep. Deterministic;
            it leaves the model and its state as they are. At a rate, every part of the group (head) keeps its channels
            of the highest scores; of equals, the earlier. An order of removal is given as each channel's place in it.
    """

    score: Callable[[Scoring, ChannelGroup], Tensor]


CRITERIA: Registry[Criterion] = Registry("criteria", Criterion)


def check_needs(key: str, criterion: Criterion, at_hand: frozenset[Need]) -> None:
    """Refuse a criterion that cannot work in a run.

    Raises:
        SpecError: naming the criterion, and what it needs that the run does not have.
    """
    missing = criterion.needs - at_hand
    if missing:
        raise SpecError(
            f"the criterion {key!r} needs {', '.join(sorted(missing))}, which this run does not have;"
            " give calibration images that have them, or choose another criterion"
        )


def scores_of(key: str, criterion: Criterion, scoring: Scoring, group: ChannelGroup) -> list[float]:
    """The score of every channel of a group.

    Raises:
        SpecError: if the criterion returns anything but one finite number a channel, which would decide silently.
    """
    scores = criterion.score(scoring, group)
    if tuple(scores.shape) != (group.size,) or not scores.is_floating_point() or not scores.isfinite().all():
        raise SpecError(
            f"the criterion {key!r} returned {tuple(scores.shape)} {scores.dtype} for the {group.size} channels of"
            f" {group.name}; it must return one finite floating-point number for each"
        )
    found: list[float] = scores.double().tolist()
    return found
