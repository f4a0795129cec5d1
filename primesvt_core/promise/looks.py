"""After how many confirmation images a candidate is looked at, and which share of the error each look may spend.

A group-sequential test with O'Brien and Fleming's spending (Lan and DeMets, Biometrika 70:659, 1983): early looks spend
next to nothing, so that only clear cases stop there. The number of images doubles from look to look, which leaves 89 %
of the error to the last one. Since the shares of all looks sum to one, the test errs with at most its error whatever
the looks have to do with each other (union bound); for the same reason the bounds of all looks hold together.

Looks are fixed by numbers that are known before the first candidate is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from primesvt_core.promise.provable import FEWEST_FOR_SCORE, smallest_provable

MOST_LOOKS = 5
NEGLIGIBLE = 1e-6
"""A share that is not worth a look's having a level of its own."""

REFERENCE_ERROR = 0.05
"""The spending function's own: its shape is taken as it is at this error, whatever is to be spent, so that a test that
may err more confirms all that one confirms that may err less."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a candidate.

    Attributes:
        samples: images seen so far, the first of a fixed order.
        share: of the error, that this look may spend to confirm; 0 where it can only reject.
    """

    samples: int
    share: float


def look_counts(samples: int, step: int = 1) -> tuple[int, ...]:
    """Numbers of images after which candidates are looked at, ascending, ``samples`` the last.

    Each is half of the next one, and at least 500; below 1,000 images there is one look.

    Args:
        samples: of the confirmation split.
        step: numbers before the last are multiples of it, rounded down.
    """
    counts = [samples]
    while len(counts) < MOST_LOOKS and counts[-1] // 2 // step * step >= FEWEST_FOR_SCORE:
        counts.append(counts[-1] // 2 // step * step)
    return tuple(reversed(counts))


def plan_looks(
    samples: int, drop: float, error: float, step: int = 1, *, by_disagreement: bool = False
) -> tuple[Look, ...]:
    """Looks of a test whether a candidate drops by at most ``drop``.

    A look that could not confirm even if nothing were lost spends nothing: its share goes to the next one. So the last
    look has all of the error, and proves what `smallest_provable` says, wherever the drop is near to that.

    Args:
        samples: of the confirmation split.
        drop: that is allowed.
        error: probability to confirm a candidate that drops by more.
        step: as in `look_counts`.
        by_disagreement: whether ``drop`` is an allowed disagreement.
    """
    counts = look_counts(samples, step)
    looks: list[Look] = []
    spent = 0.0
    for count in counts:
        share = _spending(count / samples) - spent
        smallest = smallest_provable(count, 1 - error * share, by_disagreement=by_disagreement)
        can_confirm = share > NEGLIGIBLE and smallest <= drop
        if count == samples or can_confirm:
            looks.append(Look(samples=count, share=share))
            spent += share
        else:
            looks.append(Look(samples=count, share=0.0))
    return tuple(looks)


def _spending(fraction: float) -> float:
    """Share of the error that is spent once this fraction of the images is seen."""
    if fraction == 1:
        return 1.0
    normal = NormalDist()
    return 2 * normal.cdf(normal.inv_cdf(REFERENCE_ERROR / 2) / fraction**0.5) / REFERENCE_ERROR
