"""Commands about jobs: what a user is told before a job is queued."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from primesvt_client.commands.jobs import print_notes, send, wait_until_ready
from primesvt_client.facts import CheckpointFacts, DataSetFacts, UploadFacts
from primesvt_client.states import UploadKind, UploadState


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


def test_a_data_set_of_the_service_is_named_by_its_id_and_a_file_of_that_name_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "dat_" + "0" * 26
    client: Any = SimpleNamespace(get_upload=lambda found: f"asked for {found}", upload=lambda *_: "sent")
    found: Any = send(client, Path(name), UploadKind.DATASET)
    assert found == f"asked for {name}"
    (tmp_path / name).touch()
    found = send(client, Path(name), UploadKind.DATASET)
    assert found == "sent"
