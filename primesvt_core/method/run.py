"""What one run looks at, put together: its candidates, as they are compared by accuracy and by divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from primesvt_core.errors import SpecError
from primesvt_core.method.baseline import Seen
from primesvt_core.method.by_accuracy import ByAccuracy
from primesvt_core.method.by_curve import ByCurve
from primesvt_core.method.by_divergence import ByDivergence
from primesvt_core.method.by_plan import ByPlan
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.divergence import Divergences
from primesvt_core.method.own_answers import take_answers
from primesvt_core.method.repairing import NONE, Repairing
from primesvt_core.method.search import Goal
from primesvt_core.method.search_split import SearchSplit
from primesvt_core.policies import POLICIES, AnyPolicy, CurvePolicy, Policy, PolicyParams
from primesvt_core.types import CurvePoint, GroupSize
from primesvt_core.workspace.sharing import CellQueue

Method = ByAccuracy | ByCurve | ByDivergence | ByPlan
"""How a run profiles and searches."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run looks at: its candidates, as they are compared by accuracy and by divergence."""

    candidates: Candidates
    split: SearchSplit
    divergences: Divergences
    policy: AnyPolicy[PolicyParams]

    @property
    def goes_by_divergence(self) -> bool:
        """Whether the policy does; a given plan, which needs none, is measured so."""
        return self.candidates.given is not None or isinstance(self.policy, CurvePolicy)

    @property
    def compared_images(self) -> int:
        """How many images candidates are compared on."""
        return len(self.divergences.images) if self.goes_by_divergence else self.split.total

    def take_answers(self, *, confirms: bool = True) -> None:
        """Have the original say what counts as right, where a disagreement is promised, before anything is compared.

        Args:
            confirms: whether the confirmation split is looked at, too.
        """
        of_search = self.candidates.images.splits.search
        compared = self.divergences.images if self.goes_by_divergence else of_search
        take_answers(self.candidates, compared, confirms=confirms)

    def start(self) -> CurvePoint:
        """The unpruned model on these images."""
        return self.divergences.start() if self.goes_by_divergence else self.split.start()

    def seen(self) -> Seen:
        """What the unpruned model takes these images for."""
        compared = self.divergences if self.goes_by_divergence else self.split
        labels = self.candidates.images.data.labels
        return Seen(labels[[*compared.images]], np.array(compared.original.classes))

    def method(
        self,
        groups: Sequence[GroupSize],
        rates: Mapping[str, tuple[float, ...]],
        start: CurvePoint,
        goal: Goal,
        queue: CellQueue | None,
    ) -> Method:
        """How the run profiles and searches."""
        if self.candidates.finished is not None:
            return ByCurve(self.divergences, self.candidates.finished)
        if self.candidates.given is not None:
            return ByPlan(self.divergences, self.candidates.given, goal)
        params = self.candidates.spec.policy_params
        if isinstance(self.policy, CurvePolicy):
            return ByDivergence(self.divergences, groups, rates, goal, self.policy.with_params(params), queue)
        if not isinstance(self.policy, Policy):
            raise SpecError(f"the policy {self.candidates.spec.policy!r} is neither a Policy nor a CurvePolicy")
        search_policy = self.policy.with_params(params)
        return ByAccuracy(split=self.split, rates=rates, start=start, goal=goal, policy=search_policy, queue=queue)


def begin(candidates: Candidates) -> Run:
    """Put together what a run looks at; nothing is computed."""
    policy, repairing = POLICIES.load(candidates.spec.policy), Repairing(candidates)
    divergences = Divergences(candidates, repairing)
    if repairing.delivered != NONE:
        candidates.repaired = divergences.repaired
    split = SearchSplit(candidates, repairing, hardest_first=not isinstance(policy, CurvePolicy))
    return Run(candidates=candidates, split=split, divergences=divergences, policy=policy)
