"""The command ``label-list``: which images it names, and of which runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from primesvt_client.console import out
from primesvt_core.cli.labelling import label_list
from primesvt_core.errors import SpecError
from primesvt_core.report.schema import DifferingImage, Report
from tests.support.dashboard import sample_report

IMAGES = (
    DifferingImage(index=3, name="photos/[3] a.jpg", class_before=1, class_after=2),
    DifferingImage(index=17, name=None, class_before=0, class_after=2),
)


def written(folder: Path, **changes: object) -> Path:
    (folder / "report.json").write_text(sample_report().model_copy(update=changes).model_dump_json())
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return written(tmp_path, disagreement=0.01, differing_images=IMAGES)


def test_files_are_named_and_arrays_by_their_places(run: Path) -> None:
    with out.capture() as printed:
        label_list(run)
    assert printed.get().splitlines() == ["photos/[3] a.jpg", "17"]
    label_list(run, run / "to-label.txt")
    assert (run / "to-label.txt").read_text() == "photos/[3] a.jpg\n17\n"


def test_machines_get_the_classes_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label_list(run, json=True)
    assert json.loads(capsys.readouterr().out) == [image.model_dump() for image in IMAGES]


def test_a_file_is_written_for_machines_too(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label_list(run, tmp_path / "names.txt", json=True)
    names = (tmp_path / "names.txt").read_text().splitlines()
    assert len(names) == len(json.loads(capsys.readouterr().out)) > 0


def test_what_is_no_such_run_or_there_already_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "there.txt").touch()
    with pytest.raises(SpecError, match="exists"):
        label_list(run, tmp_path / "there.txt")
    with pytest.raises(SpecError, match=r"no report\.json"):
        label_list(tmp_path / "nowhere")
    with pytest.raises(SpecError, match="--max-disagreement"):
        label_list(written(tmp_path))
    assert Report.model_validate_json((tmp_path / "report.json").read_bytes()).differing_images == ()
