"""Another budget for a finished run: the points of its curve are all that may be delivered, and nothing is searched."""

from __future__ import annotations

from primesvt_core.method.candidates import Candidates
from primesvt_core.method.divergence import Divergences
from primesvt_core.method.finished_curve import FinishedCurve, check_sizes
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.search import Agreement, Found, Search
from primesvt_core.method.steps import StepProgress
from primesvt_core.promise.family import joint_confidence
from primesvt_core.promise.provable import check_provable


def take_curve(candidates: Candidates, curve: FinishedCurve) -> None:
    """Have a run take a point of a finished curve instead of searching for one.

    Raises:
        NotRetargetable: it is of another model.
        BudgetUnprovable: the confirmation images cannot prove the drop beside those of all other points.
    """
    check_sizes(curve, candidates.memory)
    samples, spec = len(candidates.images.splits.confirmation), candidates.spec
    level = joint_confidence(spec.confidence, len(curve.points))
    check_provable(
        spec.budget.allowed_drop, samples, level, accept_unproven=False, by_disagreement=spec.budget.by_disagreement
    )
    candidates.finished = curve


class ByCurve:
    """The steps of one run whose curve is known.

    Args:
        divergences: candidates beside the original.
        curve: of the finished run.
    """

    def __init__(self, divergences: Divergences, curve: FinishedCurve) -> None:
        self.divergences, self.curve = divergences, curve

    def profile(self, progress: StepProgress) -> None:
        """Measure nothing of groups alone."""

    def search(self, progress: StepProgress) -> Found:
        """Hand on the curve."""
        *gentler, deepest = self.curve.points
        points = (self.divergences.start(), *self.curve.points)
        return Found(
            search=Search(curve=points, best=deepest, fallbacks=tuple(gentler), reached=True, is_shortlist=True),
            cells=(),
            evaluations=self.divergences.evaluations,
            agreement=Agreement(compared=0, differing=0),
            images=self.curve.images,
        )

    def recover(self, found: Found, _recovery: Recovery, _progress: StepProgress) -> Found:
        """Nothing learns: other budgets for runs that fine-tune are refused."""
        return found
