"""Every repair, and that of docs/plugins.md, holds the suite of repairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from primesvt_core.repairs import REPAIRS, Repair
from primesvt_core.testing.repairs import RepairSuite, check_repaired_equals_sliced, fitting
from tests.support.layer_inputs import short
from tests.support.plugins import documented
from tests.support.references import Reference, some_of_each_family

DOCUMENTED = "rescale"


class TestRepairs(RepairSuite):
    @pytest.fixture(params=(*REPAIRS.available(), DOCUMENTED))
    def repair(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repair]:
        with documented("repairs", DOCUMENTED, tmp_path) if request.param == DOCUMENTED else nullcontext():
            yield REPAIRS.load(request.param)


@pytest.mark.parametrize("reference", some_of_each_family(1), ids=lambda reference: reference.name)
def test_of_every_family_a_repaired_model_that_is_silenced_equals_the_one_that_is_sliced(
    reference: Reference, one_thread: None
) -> None:
    model = short(reference)
    given, plan = fitting(model), model.plan(0.4)
    for key in REPAIRS.available():
        changed = REPAIRS.load(key).fit(given, plan)
        assert changed
        check_repaired_equals_sliced(model, plan, changed)
