"""What tests of repairs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from primesvt_core import calibration


@pytest.fixture(autouse=True)
def _all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to the choice of positions, so that a reference sees the same rows."""
    monkeypatch.setattr(calibration, "ROWS_A_COLUMN", 10**6)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads cost small models more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
