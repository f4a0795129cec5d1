"""What every exporter must hold: all that it says it writes or nothing, and its inputs as they were."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from safetensors.torch import save_file

from primesvt_core.errors import PrimeSVTError
from primesvt_core.exporters import EXPORTERS, Exporter, Original
from primesvt_core.exporting import ExportRequest, export, report_path
from primesvt_core.testing.models import FamilyModel, tiny

RATE = 0.5


class ExporterSuite:
    """Derive from it, with the key of the exporter."""

    key: ClassVar[str]

    @pytest.fixture
    def target(self) -> str:
        """The key of the exporter under test."""
        return self.key

    @pytest.fixture
    def exporter(self, target: str) -> Exporter:
        """The exporter under test."""
        return EXPORTERS.load(target)

    @pytest.fixture
    def model(self) -> FamilyModel:
        """The original."""
        return tiny()

    @pytest.fixture
    def request_(self, target: str, exporter: Exporter, model: FamilyModel, tmp_path: Path) -> ExportRequest:
        """To export a pruned model to a folder in which nothing is."""
        pruned, original, out = tmp_path / "model.safetensors", tmp_path / "original.safetensors", tmp_path / "out"
        model.save_pruned(model.plan(RATE), pruned)
        save_file(model.state, original)
        out.mkdir()
        suffix = exporter.suffixes[0] if exporter.suffixes else ""
        return ExportRequest(
            model=pruned,
            target=target,
            out=out / f"exported{'' if exporter.is_folder else suffix}",
            original=original if exporter.original is Original.NEEDED else None,
        )

    def test_it_writes_what_it_says_and_no_other(self, exporter: Exporter, request_: ExportRequest) -> None:
        before = request_.model.read_bytes()
        report = export(request_)
        root = request_.out if exporter.is_folder else request_.out.parent
        told = report_path(exporter, request_.out)
        assert {*_contents(root)} == {*(root / file.name for file in report.files), told}
        assert all((root / file.name).stat().st_size == file.bytes > 0 for file in report.files)
        assert report.model_validate_json(told.read_bytes()).files == report.files
        assert request_.model.read_bytes() == before

    def test_its_check_says_what_was_compared(self, request_: ExportRequest) -> None:
        check = export(request_).check
        assert check.compared
        assert len(check.model_dump()) > len(("compared", "notes"))  # it has a figure

    def test_the_same_model_has_the_same_export(self, request_: ExportRequest) -> None:
        again = ExportRequest(**{**vars(request_), "out": request_.out.parent / "again" / request_.out.name})
        again.out.parent.mkdir()
        assert export(request_) == export(again)  # with the digests of all files

    def test_of_a_damaged_model_nothing_is_written(self, request_: ExportRequest) -> None:
        request_.model.write_bytes(request_.model.read_bytes()[:-1])
        with pytest.raises(PrimeSVTError):
            export(request_)
        assert [*request_.out.parent.iterdir()] == []

    def test_suffixes_are_what_a_path_has(self, exporter: Exporter) -> None:
        """What ``primesvt export`` compares names with."""
        assert all(suffix == Path(f"name{suffix}").suffix for suffix in (*exporter.suffixes, *exporter.companions))
        assert not (exporter.is_folder and (exporter.suffixes or exporter.companions))


def _contents(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
