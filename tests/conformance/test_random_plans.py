"""Every family under random plans over all its groups at once."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from primesvt_core.testing.families import RandomPlanSuite
from tests.support.goldens import Golden
from tests.support.references import some_of_each_family
from tests.support.thorough import times

REFERENCES = some_of_each_family(2)
PLANS = times(15, RandomPlanSuite.plans)
"""Of every family."""

SHARE = {
    family: math.ceil(PLANS / count) for family, count in Counter(reference.family for reference in REFERENCES).items()
}
"""Plans of one reference: those of a family are spread over its references."""


class TestRandomPlans(RandomPlanSuite):
    @pytest.fixture(scope="class", params=REFERENCES, ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> Golden:
        golden: Golden = request.param.load()
        return golden

    @pytest.fixture
    def plan_count(self, model: Golden) -> int:
        return SHARE[model.key]
