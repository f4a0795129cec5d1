"""The whole OpenAPI document against the whole application: no server error, no answer that is not documented."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.contract import Exempt, explore, furnish, key_id, served, settings
from tests.support.dashboard import Dashboard

CASES = int(os.environ.get("PRIMESVT_CONTRACT_CASES", "20"))
"""Of every operation, in each phase that makes any."""

ENDLESS = ("job_events",)
A_CURSOR = "a cursor is opaque: only this server can tell whether it made it"
AN_ADDRESS = "which addresses a webhook may have, no schema says"
A_DIGEST = "a digest, a size and a part's number must fit the bytes, which the schema does not see"
EXEMPT = (
    Exempt("list_jobs", (400,), A_CURSOR),
    Exempt("list_uploads", (400,), A_CURSOR),
    Exempt("list_deliveries", (400,), A_CURSOR),
    Exempt("list_audit", (400,), A_CURSOR),
    Exempt("create_key", (422,), "a key must not have expired, and have no more scopes than its maker"),
    Exempt("create_webhook", (422,), AN_ADDRESS),
    Exempt("change_webhook", (422,), AN_ADDRESS),
    Exempt("create_upload", (413,), "how large a file may be is a setting of the server"),
    Exempt("upload_whole", (411, 413, 422), A_DIGEST),
    Exempt("address_parts", (422,), "which parts there are depends on the upload's size"),
    Exempt("put_part", (422,), A_DIGEST),
    Exempt("announce_digest", (422,), "another digest may have been announced"),
    Exempt("submit_job", (422,), "the constraint spec has a schema of its own, and rules that no schema can say"),
)

pytestmark = pytest.mark.slow


def operations(board: Dashboard) -> dict[str, tuple[str, str]]:
    """Method and path, by id, of the operations that take any input."""
    return {
        operation["operationId"]: (method, path)
        for path, item in board.app.openapi()["paths"].items()
        for method, operation in item.items()
        if operation.get("parameters") or operation.get("requestBody")
    }


def check(explored: subprocess.CompletedProcess[str]) -> None:
    assert explored.returncode == 0, explored.stdout[-20_000:] + explored.stderr[-2_000:]


@pytest.mark.timeout(1500)
def test_the_document_is_true(tmp_path: Path) -> None:
    board = Dashboard(tmp_path / "data", part_bytes=1000, max_upload_bytes=100_000)
    team = board.team("ours")
    config = settings(furnish(board, team), EXEMPT, ENDLESS)
    known = operations(board)

    def asked_too_little() -> list[str]:
        return [name for name, operation in known.items() if place.answered.of(operation) < CASES]

    with served(board, spared=key_id(board, team)) as place:
        check(explore(place, team, tmp_path, config, CASES))
        # It stops early where what it asks about is gone, as after DELETE; asked for such an operation alone, not.
        if few := asked_too_little():
            check(explore(place, team, tmp_path, config, CASES, few))
    assert not asked_too_little()
    assert Api(board, team).get("/team").status_code == 200, "its own key was revoked: whatever came after is no test"
    board.close()
