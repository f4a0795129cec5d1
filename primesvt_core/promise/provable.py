"""What so many images can prove, and how many images a drop needs; said before a run, from arithmetic alone.

The smallest provable drop is the bound (`promise.bounds`) where both models are right on the same images: nothing is
lost. It has closed forms: ``1 - error^(1/n)`` below 500 images (no image of n is lost with the probability ``(1 -
drop)^n``), and ``z^2 / (n + z^2)``, Tango's bound, from there on; at 95 % about 3.0 / n and 2.7 / n.

More images always prove at least as much, with one exception. Where little error is allowed (confidence above about 97
%) Tango's form is the larger one, so that the smallest provable drop rises once, from 499 to 500 images: a drop may be
provable with 480 images, not with 520, and again with 560. Hence `images_needed` can be asked for numbers above one
that is given, and who asks has to ask for those above what he has.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from primesvt_client.inputs import LARGEST
from primesvt_client.rounding import rounded_up
from primesvt_core.errors import BudgetUnprovable

FEWEST_FOR_SCORE = 500
"""Images from which on Tango's bound has its size; below, an exact one takes its place."""


def smallest_provable_drop(samples: int, confidence: float) -> float:
    """The smallest drop that ``samples`` images prove at a one-sided confidence if nothing is lost.

    Args:
        samples: confirmation images, at least 1.
        confidence: in [0.5, 1).
    """
    if samples < FEWEST_FOR_SCORE:
        return -math.expm1(math.log1p(-confidence) / samples)
    z2 = NormalDist().inv_cdf(confidence) ** 2
    return z2 / (samples + z2)


def smallest_provable_disagreement(samples: int, confidence: float) -> float:
    """The smallest disagreement that ``samples`` images prove at a one-sided confidence if none differs: about 3.0 / n.

    No image of n differs with the probability ``(1 - disagreement)^n``, however many there are.

    Args:
        samples: confirmation images, at least 1.
        confidence: in [0.5, 1).
    """
    return -math.expm1(math.log1p(-confidence) / samples)


def smallest_provable(samples: int, confidence: float, *, by_disagreement: bool) -> float:
    """The smallest disagreement, or accuracy drop, that so many images prove; arguments as of these."""
    smallest = smallest_provable_disagreement if by_disagreement else smallest_provable_drop
    return smallest(samples, confidence)


def images_needed_for_disagreement(disagreement: float, confidence: float) -> int | None:
    """The smallest number of images that can prove a disagreement; None if no data set can."""
    if disagreement <= 0:
        return None
    estimate = math.log1p(-confidence) / math.log1p(-disagreement)
    start = max(math.floor(min(estimate, LARGEST)) - 1, 1)  # too few: rounding must decide nothing
    proving = (n for n in range(start, start + 4) if smallest_provable_disagreement(n, confidence) <= disagreement)
    return next(proving, None)


def images_needed(drop: float, confidence: float, above: int = 0) -> int | None:
    """The smallest number of images, of those larger than ``above``, that can prove a drop; None if no data set can.

    Args:
        drop: largest accuracy drop, a fraction.
        confidence: in [0.5, 1).
        above: images that do not suffice.
    """
    if drop <= 0:
        return None
    few = math.log1p(-confidence) / math.log1p(-drop)
    many = NormalDist().inv_cdf(confidence) ** 2 * (1 - drop) / drop
    for estimate, least, most in ((few, 1, FEWEST_FOR_SCORE - 1), (many, FEWEST_FOR_SCORE, LARGEST)):
        start = max(math.floor(min(estimate, LARGEST)) - 1, least, above + 1)  # too few: rounding must decide nothing
        for samples in range(start, min(start + 4, most + 1)):
            if smallest_provable_drop(samples, confidence) <= drop:
                return samples
    return None


def images_to_prove(samples: int, lost: int, won: int, drop: float, confidence: float) -> int | None:
    """About how many images would prove a drop if images were lost and won as often as on these; None if none would.

    Of Tango's bound, whose equation is solved for the number of images.

    Args:
        samples: images that were compared.
        lost: of them, those that only the original gets right.
        won: of them, those that only the pruned model gets right.
        drop: that is allowed.
        confidence: of the bound.
    """
    if (lost - won) / samples >= drop:
        return None
    fewest = images_needed(drop, confidence)
    if lost == 0 or fewest is None:
        return fewest
    # Tango's statistic is sqrt(n) times a term of the rates alone.
    lost_share, won_share = lost / samples, won / samples
    m = -lost_share - won_share + (2 - lost_share + won_share) * drop
    likely = (math.sqrt(m * m + 8 * won_share * drop * (1 - drop)) - m) / 4
    deviation2 = 2 * likely + drop * (1 - drop)
    z2 = NormalDist().inv_cdf(confidence) ** 2
    return max(fewest, math.ceil(z2 * deviation2 / (drop - lost_share + won_share) ** 2))


def check_provable(
    allowed_drop: float | None,
    samples: int,
    confidence: float,
    *,
    accept_unproven: bool,
    by_disagreement: bool = False,
) -> None:
    """Refuse a drop, or a disagreement, that so many confirmation images could not prove even if nothing were lost.

    Args:
        allowed_drop: of the budget; None without an accuracy floor, which nothing needs to be proven of.
        samples: images of the confirmation split.
        confidence: of the promise.
        accept_unproven: whether an unproven result is asked for.
        by_disagreement: whether a disagreement is allowed, and is to be proven.

    Raises:
        BudgetUnprovable: with the images that are needed and the smallest drop that these can prove.
    """
    if allowed_drop is None or accept_unproven:
        return
    smallest = smallest_provable(samples, confidence, by_disagreement=by_disagreement)
    if allowed_drop >= smallest:
        return
    if by_disagreement:
        raise _unprovable_disagreement(allowed_drop, samples, confidence, smallest)
    needed = images_needed(allowed_drop, confidence, above=samples)
    wanted = "no number of images proves that" if needed is None else f"{needed:,} are needed"
    raise BudgetUnprovable(
        f"the budget allows a drop of {100 * allowed_drop:.4g} points, but {samples:,} confirmation images cannot prove"
        f" less than {100 * smallest:.4g} points with {100 * confidence:g} % confidence, even if nothing is lost:"
        f" {wanted}; allow a drop of {rounded_up(smallest):g}, give more labelled images (a share of them confirms, at"
        " most confirmation_images), or take a result that is not proven (--accept-unproven, accept_unproven: true)",
        facts={
            "allowed_drop": allowed_drop,
            "confirmation_images": samples,
            "images_needed": needed,
            "smallest_provable_drop": smallest,
        },
    )


def _unprovable_disagreement(allowed: float, samples: int, confidence: float, smallest: float) -> BudgetUnprovable:
    needed = images_needed_for_disagreement(allowed, confidence)
    wanted = "no number of images proves that" if needed is None else f"{needed:,} are needed"
    return BudgetUnprovable(
        f"the budget allows a disagreement of {100 * allowed:.4g} %, but {samples:,} confirmation images cannot prove"
        f" less than {100 * smallest:.4g} % with {100 * confidence:g} % confidence, even if none of them is predicted"
        f" otherwise: {wanted}; allow a disagreement of {rounded_up(smallest):g}, give more images, which need no"
        " labels (a share of them confirms, at most confirmation_images), or take a result that is not proven"
        " (--accept-unproven, accept_unproven: true)",
        facts={
            "allowed_disagreement": allowed,
            "confirmation_images": samples,
            "images_needed": needed,
            "smallest_provable_disagreement": smallest,
        },
    )
