"""Every family: engines compute what the reference and the sliced model compute."""

from __future__ import annotations

import pytest

from primesvt_core.layers.causality import noncausal
from primesvt_core.testing.engines import EngineSuite
from primesvt_core.testing.models import FamilyModel
from tests.support.references import some_of_each_family


class TestEngines(EngineSuite):
    @pytest.fixture(scope="class", params=some_of_each_family(1), ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> FamilyModel:
        found: FamilyModel = request.param.load()
        return found

    def test_a_longer_run_begins_with_shorter_ones_unless_batches_matter(self, model: FamilyModel) -> None:
        refused = noncausal(model.double, tuple(model.input.shape[-3:]), 2) is not None
        assert refused is model.double.depends_on_batch
