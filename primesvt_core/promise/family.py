"""Several budgets on one confirmation split: bounds that hold together, whichever budgets are asked for, and when.

Who has seen a result asks for another budget because of what he has seen. A level for each budget, however small, is
then no level of what is promised: the budget decides which candidates are tested, and was chosen by these very images.

What holds is a bound of every candidate of a finite list, all at once. Let the list be fixed before the first of its
candidates sees these images, and let each have the error over their number, ``error / candidates``. Then all bounds
hold together with probability ``1 - error`` (union bound), and where they do, what has a bound within a budget drops by
no more than that: whatever the budget is, however many there are, in whichever order candidates are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from primesvt_core.promise.bounds import drop_upper_bound
from primesvt_core.promise.sequences import Judge, Trial

C = TypeVar("C")


def joint_confidence(confidence: float, candidates: int) -> float:
    """Of the bound of each of several candidates, so that all hold together with ``confidence``."""
    return 1 - (1 - confidence) / candidates


def deepest_within(
    candidates: Sequence[C], judge: Judge[C], drop: float, *, confidence: float, samples: int, begin: int
) -> tuple[Trial[C], ...]:
    """Test candidates of a list against a budget, each by its joint bound on all the images.

    From one of them on deeper ones follow while they are confirmed; if it is not, gentler ones until one is. The order
    saves evaluations alone: the promise does not depend on it.

    Args:
        candidates: the whole list, from the gentlest upwards, fixed before any of them saw these images.
        judge: compares a candidate with the original.
        drop: that is allowed.
        confidence: joint, over all candidates and budgets.
        samples: all images of the confirmation split.
        begin: place of the first to be tested.

    Returns:
        One trial of every candidate that was tested.
    """
    level = joint_confidence(confidence, len(candidates))

    def examine(candidate: C) -> Trial[C]:
        pair = judge(candidate, samples)
        bound = drop_upper_bound(pair, level)
        return Trial(candidate=candidate, pair=pair, upper_bound=bound, confirmed=bound <= drop, confidence=level)

    trials = [examine(candidates[begin])]
    deeper, gentler = candidates[begin + 1 :], candidates[:begin][::-1]
    for candidate in deeper if trials[0].confirmed else gentler:
        trials.append(examine(candidate))
        if trials[-1].confirmed != trials[0].confirmed:
            break
    return tuple(trials)
