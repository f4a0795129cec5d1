"""Data sets that lie, lead out or explode: refused with a code that says so, and nothing of them is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from primesvt_core.data import open_data
from primesvt_core.data.files import archives
from primesvt_core.errors import DataError
from tests.support.hostile_data import CANARY, HOSTILE, READY
from tests.support.thorough import IS_THOROUGH

LONGEST_MESSAGE = 500
LIMITS: Mapping[str, Mapping[str, int]] = {"tar: gzip of zeros": {"FREE_BYTES": 1 << 25, "MAX_GROWTH": 10}}
"""Lower ones for what takes long to reach them; with `make test-thorough` the real ones are reached."""


def verdict(path: Path) -> str:
    try:
        data = open_data(path)
        data.decode(0)
        data.fingerprint()
    except DataError as error:
        return error.error_code if len(error.message) < LONGEST_MESSAGE else error.message
    return READY


@pytest.mark.parametrize("what", HOSTILE)
def test_it_gets_the_wanted_verdict(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    limits = {} if IS_THOROUGH else LIMITS.get(what, {})
    for name, limit in limits.items():
        monkeypatch.setattr(archives, name, limit)
    path = tmp_path / "inputs" / HOSTILE[what].name.replace("/", "_")
    path.parent.mkdir()
    path.write_bytes(HOSTILE[what].make())
    assert verdict(path) in HOSTILE[what].wanted
    assert not (tmp_path / CANARY).exists()
    assert [*tmp_path.iterdir()] == [path.parent]
