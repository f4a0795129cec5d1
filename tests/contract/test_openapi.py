"""The whole OpenAPI document against the whole application: no server error, no answer that is not documented."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.contract import Exempt, Served, explore, furnish, key_id, served, settings
from tests.support.dashboard import Dashboard

CASES = int(os.environ.get("PRIMESVT_CONTRACT_CASES", "2"))
"""Of every operation, in each phase that makes any."""

A_CURSOR = "a cursor is opaque: only this server can tell whether it made it"
AN_ADDRESS = "which addresses a webhook may have, no schema says"
A_DIGEST = "a digest, a size and a part's number must fit the bytes, which the schema does not see"
TWICE = "a job that is named twice counts once, and one alone is not compared"
A_SPEC = "the constraint spec has a schema of its own, and rules that no schema can say"
EXEMPT = (
    Exempt("list_jobs", (400,), A_CURSOR),
    Exempt("list_uploads", (400,), A_CURSOR),
    Exempt("list_deliveries", (400,), A_CURSOR),
    Exempt("list_audit", (400,), A_CURSOR),
    Exempt("compare_jobs", (422,), TWICE),
    Exempt("export_comparison", (422,), TWICE),
    Exempt("create_key", (422,), "a key must not have expired, and have no more scopes than its maker"),
    Exempt("create_webhook", (422,), AN_ADDRESS),
    Exempt("change_webhook", (422,), AN_ADDRESS),
    Exempt("create_upload", (413,), "how large a file may be is a setting of the server"),
    Exempt("add_example_uploads", (413,), "likewise"),
    Exempt("upload_whole", (411, 413, 422), A_DIGEST),
    Exempt("address_parts", (422,), "which parts there are depends on the upload's size"),
    Exempt("put_part", (422,), A_DIGEST),
    Exempt("announce_digest", (422,), "another digest may have been announced"),
    Exempt("submit_job", (422,), A_SPEC),
    Exempt("preflight_job", (422,), A_SPEC),
)

pytestmark = pytest.mark.slow


PARTS = 2
"""Into how many tests the operations are shared out, so that several can run at once."""

MOST_ROUNDS = 5
EACH_ALONE, IN_A_ROW = ("examples", "coverage", "fuzzing"), ("stateful",)
"""Phases that ask for one operation at a time, and those that go on from one's answer to others."""


def check(explored: subprocess.CompletedProcess[str]) -> None:
    assert explored.returncode == 0, explored.stdout[-20_000:] + explored.stderr[-2_000:]


@dataclass(frozen=True)
class Asking:
    """An application that is asked as its document says.

    Attributes:
        takes_input: whether an operation, by its id, takes any input: only then there are as many cases as one likes.
    """

    place: Served
    operations: Mapping[str, tuple[str, str]]
    takes_input: Mapping[str, bool]
    explore: Callable[[Sequence[str], Sequence[str]], subprocess.CompletedProcess[str]]

    def ask(self, phases: Sequence[str], only: Sequence[str] = ()) -> None:
        check(self.explore(only, phases))

    def too_little(self, names: Sequence[str]) -> list[str]:
        """Which of the operations were asked for less than they should have been."""
        counts = {name: self.place.answered.of(self.operations[name]) for name in names}
        return [name for name, count in counts.items() if count < (CASES if self.takes_input[name] else 1)]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path / "data", part_bytes=1000, max_upload_bytes=100_000)
    yield found
    found.close()


@pytest.fixture
def asking(board: Dashboard, tmp_path: Path) -> Iterator[Asking]:
    team = board.team("ours")
    config = settings(furnish(board, team), EXEMPT)
    known = {
        operation["operationId"]: ((method, path), bool(operation.get("parameters") or operation.get("requestBody")))
        for path, item in board.app.openapi()["paths"].items()
        for method, operation in item.items()
    }
    with served(board, spared=key_id(board, team)) as place:
        yield Asking(
            place, {name: operation for name, (operation, _) in known.items()},
            {name: takes_input for name, (_, takes_input) in known.items()},
            lambda only, phases: explore(place, team, tmp_path, config, CASES, only, phases),
        )  # fmt: skip
    assert Api(board, team).get("/team").status_code == 200, "its own key was revoked: whatever came after is no test"


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_document_is_true_of_every_operation(part: int, asking: Asking) -> None:
    mine = sorted(asking.operations)[part::PARTS]
    asking.ask(EACH_ALONE, mine)
    # It stops early where what it asks about is gone, as after DELETE; asked for such an operation alone, not.
    if few := asking.too_little(mine):
        asking.ask(EACH_ALONE, few)
    assert not asking.too_little(mine)


@pytest.mark.timeout(1500)
def test_the_document_is_true_of_operations_one_after_another(asking: Asking) -> None:
    for _ in range(MOST_ROUNDS):  # a row ends where what it asks about is gone
        if asking.place.answered.counts.total() < CASES:
            asking.ask(IN_A_ROW)
    assert asking.place.answered.counts.total() >= CASES
