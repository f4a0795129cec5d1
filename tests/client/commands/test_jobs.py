"""Commands about jobs: what a user is told before a job is queued."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from primesvt_client.commands.jobs import print_notes, wait_until_ready
from primesvt_client.facts import CheckpointFacts, DataSetFacts, UploadFacts
from primesvt_client.states import UploadState


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (DataSetFacts(samples=3, notes=("The classes are numbered in natural order.",)), "set.tar: The classes"),
        (DataSetFacts(samples=3), ""),
        (CheckpointFacts(family="spikformer", notes=("prefix module. removed",)), ""),
    ],
)
def test_notes_of_a_data_set_are_told_once_it_is_validated(
    facts: UploadFacts, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upload: Any = SimpleNamespace(id="u", name="set.tar", state=UploadState.READY, facts=facts)
    client: Any = SimpleNamespace(wait_upload=lambda _: upload)
    print_notes(wait_until_ready(client, upload))
    shown = capsys.readouterr().err
    assert told in shown
    assert ("numbered" in shown) == bool(told)
