"""Every exporter holds the suite of exporters."""

from __future__ import annotations

import pytest

from primesvt_core.exporters import EXPORTERS
from primesvt_core.testing.exporters import ExporterSuite


class TestExporters(ExporterSuite):
    @pytest.fixture(scope="class", params=EXPORTERS.available())
    @classmethod
    def target(cls, request: pytest.FixtureRequest) -> str:
        key: str = request.param
        return key
