"""Every family: engines compute what the reference and the sliced model compute."""

from __future__ import annotations

import re

import pytest

from primesvt_core.testing.engines import EngineSuite
from primesvt_core.testing.models import FamilyModel
from tests.support.references import references

SHORTENED = {re.sub(r"-T\d+$", "", reference.name): reference for reference in references()}
"""The suite shortens every model to a few time steps: of those that differ in them alone one is enough."""


class TestEngines(EngineSuite):
    @pytest.fixture(scope="class", params=SHORTENED.values(), ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> FamilyModel:
        found: FamilyModel = request.param.load()
        return found
