"""What every exporter must hold: one whole file or none, and its inputs as they were."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from safetensors.torch import save_file

from primesvt_core.errors import PrimeSVTError
from primesvt_core.exporters import EXPORTERS, Exporter
from primesvt_core.testing.models import FamilyModel, tiny

RATE = 0.5


class ExporterSuite:
    """Derive from it, with the key of the exporter."""

    key: ClassVar[str]

    @pytest.fixture
    def exporter(self) -> Exporter:
        """The exporter under test."""
        return EXPORTERS.load(self.key)

    @pytest.fixture
    def model(self) -> FamilyModel:
        """The original."""
        return tiny()

    @pytest.fixture
    def pruned(self, model: FamilyModel, tmp_path: Path) -> Path:
        """The file of the pruned model."""
        model.save_pruned(model.plan(RATE), tmp_path / "model.safetensors")
        return tmp_path / "model.safetensors"

    @pytest.fixture
    def original(self, model: FamilyModel, tmp_path: Path) -> Path:
        """The file of the original."""
        save_file(model.state, tmp_path / "original.safetensors")
        return tmp_path / "original.safetensors"

    @pytest.fixture
    def out(self, exporter: Exporter, tmp_path: Path) -> Path:
        """The file to write, in a folder of its own."""
        (tmp_path / "out").mkdir()
        return tmp_path / "out" / f"exported{exporter.suffix or ''}"

    def test_it_writes_that_file_and_no_other(
        self, exporter: Exporter, pruned: Path, original: Path, out: Path
    ) -> None:
        before = pruned.read_bytes(), original.read_bytes()
        exporter.write(pruned, original, out, None)
        assert [*out.parent.iterdir()] == [out]
        assert out.stat().st_size
        assert (pruned.read_bytes(), original.read_bytes()) == before

    def test_the_same_model_has_the_same_export(
        self, exporter: Exporter, pruned: Path, original: Path, out: Path
    ) -> None:
        exporter.write(pruned, original, out, None)
        first = out.read_bytes()
        out.unlink()
        exporter.write(pruned, original, out, None)
        assert out.read_bytes() == first

    def test_of_a_damaged_model_nothing_is_written(
        self, exporter: Exporter, pruned: Path, original: Path, out: Path
    ) -> None:
        pruned.write_bytes(pruned.read_bytes()[:-1])
        with pytest.raises(PrimeSVTError):
            exporter.write(pruned, original, out, None)
        assert [*out.parent.iterdir()] == []

    def test_its_suffix_is_one(self, exporter: Exporter) -> None:
        """What ``primesvt export`` compares names with."""
        assert exporter.suffix is None or exporter.suffix == Path(f"name{exporter.suffix}").suffix
