"""Every repair, and that of docs/plugins.md, holds the suite of repairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from primesvt_core.repairs import REPAIRS, Repair
from primesvt_core.testing.repairs import RepairSuite
from tests.support.plugins import documented

DOCUMENTED = "rescale"


class TestRepairs(RepairSuite):
    @pytest.fixture(params=(*REPAIRS.available(), DOCUMENTED))
    def repair(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repair]:
        with documented("repairs", DOCUMENTED, tmp_path) if request.param == DOCUMENTED else nullcontext():
            yield REPAIRS.load(request.param)
