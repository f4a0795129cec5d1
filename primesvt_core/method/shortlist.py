"""Which candidates of the accuracy-memory curve are put to the test: those that will probably pass it, and spaced.

What a candidate will lose is predicted from its divergence: over repaired candidates the two are nearly proportional.
Every test that is made before the deepest that passes costs time, and one that fails ends a sequence; so a sequence
begins where the bound is well within the allowed drop. It ends with the first candidate that fails, so that candidates
far beyond the predicted bound cost nothing but where predictions are too high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from primesvt_core.types import CurvePoint

DROP_A_NAT = 0.65
"""Accuracy lost for every nat of divergence, over repaired plans: 0.56 in the study of repairs, 0.61 to 0.74 of
candidates on CIFAR-10 since. What the search images say may raise it and never lowers it: a few hundred are lucky often
enough, and a sequence whose first candidate fails delivers nothing."""

DIFFERING_A_ROOT_NAT = 0.4
"""Disagreement for the square root of the divergence in nats, over repaired plans: what changes predictions by twice as
much changes twice as many of them, and has four times the divergence."""

TRUSTED_ROOT_NATS = 0.5
"""Square roots of divergences of measured candidates, summed, at which their own ratio counts as much as that."""

TRUSTED_NATS = 0.1
"""Divergence of measured candidates, summed, at which their own ratio counts as much as that."""

PROPORTIONAL_NATS = 0.2
"""Divergence beyond which a candidate says nothing of what gentler ones lose: most of its predictions are gone."""

SHARES = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3, 1.6, 2.0, 3.0, 5.0, 10.0)
"""Predicted bounds of the candidates of a sequence, as shares of the allowed drop. More of them cost time and no
confidence: predictions are often a third too low or too high, of robust models five times too high, and what is not
tested cannot be delivered."""

MOST_IMPROVEMENT = 0.7
"""What a better repair is trusted to leave of a divergence, at the least."""

CHAIN_SHARES = (0.5, 0.9)
"""The same of what a target that fails is backed off to."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A candidate of the curve, measured on the images by which candidates are compared.

    Attributes:
        point: its rates, memory and divergence, and its drop on those images.
        differing: share of these images that only one of both models gets right.
        samples: images.
    """

    point: CurvePoint
    differing: float
    samples: int

    @property
    def divergence(self) -> float:
        """In nats."""
        return self.point.divergence or 0.0


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Predicts the bound that a confirmation will find.

    Attributes:
        drop_a_nat: accuracy lost for every nat.
        quantile: of the normal distribution at the confidence.
        samples: images of the confirmation.
        improvement: what the delivered repair leaves of the divergence that was measured.
        of_disagreement: whether a disagreement is predicted, with ``drop_a_nat`` for the square root of the nats.
    """

    drop_a_nat: float
    quantile: float
    samples: int
    improvement: float = 1.0
    of_disagreement: bool = False

    def drop(self, candidate: Measured) -> float:
        """That a candidate has, on the average; or its disagreement."""
        divergence = candidate.divergence * max(self.improvement, MOST_IMPROVEMENT)
        return (
            min(self.drop_a_nat * math.sqrt(divergence), 1.0) if self.of_disagreement else self.drop_a_nat * divergence
        )

    def bound(self, candidate: Measured) -> float:
        """Of the drop, or of the disagreement."""
        improvement, drop = max(self.improvement, MOST_IMPROVEMENT), self.drop(candidate)
        if self.of_disagreement:
            return drop + self.quantile * math.sqrt(max(drop, 1 / candidate.samples) * (1 - drop) / self.samples)
        # One image more than was seen: that nothing differed on few images does not say that nothing does.
        differing = max(candidate.differing * improvement + 1 / candidate.samples, drop)
        return drop + self.quantile * math.sqrt(differing / self.samples)


def forecast(measured: Sequence[Measured], *, confidence: float, samples: int) -> Forecast:
    """From what the candidates themselves have lost, and what others have."""
    near = [one for one in measured if one.divergence <= PROPORTIONAL_NATS]
    lost = sum(max(one.point.accuracy_drop, 0.0) for one in near)
    nats = sum(one.divergence for one in near)
    slope = max(DROP_A_NAT, (lost + DROP_A_NAT * TRUSTED_NATS) / (nats + TRUSTED_NATS))
    return Forecast(drop_a_nat=slope, quantile=NormalDist().inv_cdf(confidence), samples=samples)


def of_disagreement(measured: Sequence[Measured], *, confidence: float, samples: int) -> Forecast:
    """The same of a disagreement, from how often the candidates themselves differ, and others have."""
    near = [one for one in measured if one.divergence <= PROPORTIONAL_NATS]
    roots = sum(math.sqrt(one.divergence) for one in near) + TRUSTED_ROOT_NATS
    differing = sum(one.differing for one in near) + DIFFERING_A_ROOT_NAT * TRUSTED_ROOT_NATS
    quantile = NormalDist().inv_cdf(confidence)
    return Forecast(drop_a_nat=differing / roots, quantile=quantile, samples=samples, of_disagreement=True)


def spaced(
    measured: Sequence[Measured], expected: Forecast, allowed_drop: float, most: float = SHARES[-1]
) -> tuple[CurvePoint, ...]:
    """Candidates of a sequence, the gentlest first; the gentlest of all if even its bound is beyond the drop.

    Args:
        measured: of the curve, ascending in saving.
        expected: predicts their bounds.
        allowed_drop: of the budget.
        most: share of it beyond which no bound is predicted.
    """
    return _deepest(measured, expected, [share * allowed_drop for share in SHARES if share <= most]) or tuple(
        one.point for one in measured[:1]
    )


def chain(
    measured: Sequence[Measured], expected: Forecast, allowed_drop: float, target: CurvePoint
) -> tuple[CurvePoint, ...]:
    """What a target that fails is backed off to, the gentlest first: candidates that save less than it."""
    gentler = [one for one in measured if one.point.parameter_bytes > target.parameter_bytes]
    return _deepest(gentler, expected, [share * allowed_drop for share in CHAIN_SHARES])


def _deepest(measured: Sequence[Measured], expected: Forecast, bounds: Sequence[float]) -> tuple[CurvePoint, ...]:
    """For every bound the candidate that saves most of those whose predicted bound is within it, each once."""
    found: dict[int, CurvePoint] = {}
    for bound in bounds:
        within = [one.point for one in measured if expected.bound(one) <= bound]
        if within:
            deepest = min(within, key=lambda point: point.parameter_bytes)
            found[deepest.parameter_bytes] = deepest
    return tuple(sorted(found.values(), key=lambda point: -point.parameter_bytes))
