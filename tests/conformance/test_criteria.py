"""Every criterion holds the suite of criteria, and scores every family's models."""

from __future__ import annotations

import pytest

from primesvt_core.criteria import CRITERIA, Criterion
from primesvt_core.criteria._base import scores_of
from primesvt_core.testing.criteria import CriterionSuite, scoring_of
from primesvt_core.testing.families import shortened, structures
from primesvt_core.testing.models import FamilyModel
from tests.support.references import some_of_each_family

KEYS = CRITERIA.available()

pytestmark = pytest.mark.usefixtures("one_thread")


class TestCriteria(CriterionSuite):
    @pytest.fixture(params=[key for key in KEYS if key != "random"])
    def criterion(self, request: pytest.FixtureRequest) -> Criterion:
        return CRITERIA.load(request.param)


class TestRandom(CriterionSuite):
    key = "random"
    test_scores_follow_their_channels = None  # type: ignore[assignment]  # the control does not look at channels


class TestFamilies:
    @pytest.fixture(scope="class", params=some_of_each_family(1), ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> FamilyModel:
        return shortened(request.param.load())

    @pytest.mark.parametrize("key", KEYS)
    def test_every_structure_of_a_family_is_scored_the_same_every_time(self, model: FamilyModel, key: str) -> None:
        """What of a group is alike in every block is scored alike; what is gathered is gathered for all groups."""
        criterion = CRITERIA.load(key)
        scoring = scoring_of(model, criterion)
        groups = [alike[-1] for alike in structures(model)]
        found = {group.name: scores_of(key, criterion, scoring, group) for group in groups}  # finite, or refused
        if key in ("l1", "l2", "random", "reconstruction"):
            assert all(len({*each}) == len(each) for each in found.values())
        first = groups[0]
        assert scores_of(key, criterion, scoring_of(model, criterion), first) == found[first.name]
