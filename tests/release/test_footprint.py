"""What the library brings, counted here as it is in an environment of its own, and what is too much."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from release import footprint
from release.environments import Environment
from release.stages import ReleaseError

HERE = Environment(Path(sys.prefix), Path(__file__).resolve().parents[2])


def test_it_brings_its_own_dependencies_and_none_of_torchs() -> None:
    found = footprint.check_size(HERE)
    assert {"primesvt", "primesvt-client", "pydantic", "typer"} <= found.keys()
    assert not {"torch", "spikingjelly", "numpy", "scipy", "matplotlib"} & found.keys()
    assert not {"pyarrow", "numba", "pandas", "sqlalchemy"} & found.keys(), "extras, and the service, are not brought"


def test_too_much_is_told_with_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "MOST_BYTES", 1000)
    with pytest.raises(ReleaseError, match="more than 1,000; the largest are"):
        footprint.check_size(HERE)
