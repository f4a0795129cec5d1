"""What every exporter must hold: all that it says it writes or nothing, and its inputs as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from safetensors.torch import save_file

from primesvt_core.errors import PrimeSVTError
from primesvt_core.exporters import EXPORTERS, Exporter, Original
from primesvt_core.exporters._reporting import ExportReport
from primesvt_core.exporting import ExportRequest, export, report_path
from primesvt_core.testing.models import FamilyModel, tiny

RATE = 0.5


class ExporterSuite:
    """Derive from it, with the key of the exporter."""

    key: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls) -> str:
        """The key of the exporter under test."""
        return cls.key

    @pytest.fixture(scope="class")
    @classmethod
    def exporter(cls, target: str) -> Exporter:
        """The exporter under test."""
        return EXPORTERS.load(target)

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> FamilyModel:
        """The original."""
        return tiny()

    @pytest.fixture(scope="class")
    @classmethod
    def asked(
        cls, target: str, exporter: Exporter, model: FamilyModel, tmp_path_factory: pytest.TempPathFactory
    ) -> ExportRequest:
        """To export a pruned model to a folder in which nothing is."""
        folder = tmp_path_factory.mktemp(target)
        pruned, original, out = folder / "model.safetensors", folder / "original.safetensors", folder / "out"
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

    @pytest.fixture(scope="class")
    @classmethod
    def report(cls, asked: ExportRequest) -> ExportReport:
        """Of the export, which is there."""
        before = asked.model.read_bytes()
        report = export(asked)
        assert asked.model.read_bytes() == before
        return report

    def test_it_writes_what_it_says_and_no_other(
        self, exporter: Exporter, asked: ExportRequest, report: ExportReport
    ) -> None:
        root = asked.out if exporter.is_folder else asked.out.parent
        told = report_path(exporter, asked.out)
        assert {*_contents(root)} == {*(root / file.name for file in report.files), told}
        assert all((root / file.name).stat().st_size == file.bytes > 0 for file in report.files)
        assert report.model_validate_json(_without_check(told)).files == report.files

    def test_its_check_says_what_was_compared(self, report: ExportReport) -> None:
        assert report.check.compared
        assert len(report.check.model_dump()) > len(("compared", "notes"))  # it has a figure

    def test_the_same_model_has_the_same_export(self, asked: ExportRequest, report: ExportReport) -> None:
        again = replace(asked, out=asked.out.parent.with_name("again") / asked.out.name)
        again.out.parent.mkdir()
        assert export(again) == report  # with the digests of all files

    def test_of_a_damaged_model_nothing_is_written(self, asked: ExportRequest, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "model.safetensors").write_bytes(asked.model.read_bytes()[:-1])
        damaged = replace(asked, model=tmp_path / "model.safetensors", out=tmp_path / "out" / asked.out.name)
        with pytest.raises(PrimeSVTError):
            export(damaged)
        assert [*damaged.out.parent.iterdir()] == []

    def test_suffixes_are_what_a_path_has(self, exporter: Exporter) -> None:
        """What ``primesvt export`` compares names with."""
        assert all(suffix == Path(f"name{suffix}").suffix for suffix in (*exporter.suffixes, *exporter.companions))
        assert not (exporter.is_folder and (exporter.suffixes or exporter.companions))


def _contents(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _without_check(report: Path) -> str:
    """The document with a check that any exporter has: its own figures are no field of that."""
    document = json.loads(report.read_text(encoding="utf-8"))
    return json.dumps({**document, "check": {"compared": document["check"]["compared"]}})
