"""Every family: engines compute what the reference and the sliced model compute."""

from __future__ import annotations

import pytest

from primesvt_core.testing.engines import EngineSuite
from primesvt_core.testing.models import FamilyModel
from tests.support.references import some_of_each_family


class TestEngines(EngineSuite):
    @pytest.fixture(scope="class", params=some_of_each_family(1), ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> FamilyModel:
        found: FamilyModel = request.param.load()
        return found
