"""Tensors that no forward pass reads, of every family that has any; no other family calls one so."""

from __future__ import annotations

from dataclasses import fields

import pytest

from primesvt_core.families import FAMILIES, Family
from primesvt_core.testing.families import UnusedTensorSuite
from tests.support.goldens import Golden
from tests.support.references import references, some_of_each_family, without_times

ALL_ARE_USED = next(field.default for field in fields(Family) if field.name == "unused")


MAY_HAVE_UNUSED = sorted(
    {found.family for found in references() if FAMILIES.load(found.family).unused is not ALL_ARE_USED}
)


TRIED = [
    *(reference for reference in without_times() if reference.family in MAY_HAVE_UNUSED),
    *(reference for reference in some_of_each_family(1) if reference.family not in MAY_HAVE_UNUSED),
]
"""All references of families that may have such tensors, one of the others."""


class TestUnusedTensors(UnusedTensorSuite):
    @pytest.fixture(scope="class", params=TRIED, ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> Golden:
        golden: Golden = request.param.load()
        return golden


@pytest.mark.parametrize("family", MAY_HAVE_UNUSED)
def test_a_family_that_may_have_unused_tensors_has_some(family: str) -> None:
    assert any(reference.load().unused for reference in references(family))
