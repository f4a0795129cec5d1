"""Health and metrics."""

from __future__ import annotations

from tests.support.api import Api
from tests.support.dashboard import Dashboard


def test_the_server_says_how_it_is(board: Dashboard) -> None:
    nobody = Api(board, None)
    assert nobody("GET", "/livez").json()["status"] == "ok"
    assert nobody("GET", "/readyz").json()["checks"] == {"database": True, "storage": True, "broker": True}
    metrics = nobody("GET", "/metrics").text
    assert 'primesvt_jobs{state="queued"}' in metrics
    assert "job_0" not in metrics
