"""Every exporter holds the suite of exporters."""

from __future__ import annotations

import pytest

from primesvt_core.exporters import EXPORTERS, Exporter
from primesvt_core.testing.exporters import ExporterSuite


class TestExporters(ExporterSuite):
    @pytest.fixture(params=EXPORTERS.available())
    def exporter(self, request: pytest.FixtureRequest) -> Exporter:
        return EXPORTERS.load(request.param)
