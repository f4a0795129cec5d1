"""The metrics of every process, scraped as Prometheus does: on a listener of their own."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import serve_metrics
from tests.support.api import Api
from tests.support.dashboard import Dashboard


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def scraped(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


def test_metrics_are_served_at_the_address_and_only_while_the_process_runs() -> None:
    port = free_port()
    with serve_metrics(f"127.0.0.1:{port}"):
        assert {"primesvt_lease_expiries", "primesvt_step_seconds", "primesvt_webhook_seconds"} <= scraped(port).keys()
    with pytest.raises(OSError, match="refused"):
        scraped(port)
    with serve_metrics(""), pytest.raises(OSError, match="refused"):
        scraped(port)


def test_an_address_that_is_taken_is_told_with_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"at {address}.*PRIMESVT_METRICS_ADDRESS"), serve_metrics(address):
            pass


def test_who_reaches_the_api_does_not_reach_its_metrics(tmp_path: Path) -> None:
    port = free_port()
    board = Dashboard(tmp_path, metrics_address=f"127.0.0.1:{port}")
    job = board.queued(board.team())
    assert Api(board, None)("GET", "/metrics").status_code == 404

    async def scraped_while_it_runs() -> dict[str, Any]:
        async with board.app.router.lifespan_context(board.app):
            return await anyio.to_thread.run_sync(scraped, port)

    found = anyio.run(scraped_while_it_runs)
    [queued] = [one.value for one in found["primesvt_jobs"].samples if one.labels == {"state": "queued"}]
    assert queued == 1
    assert "primesvt_http_requests" in found
    assert job.id not in str(found)
