"""Every distribution can be installed alone and used."""

from __future__ import annotations

import pytest

from release import check


@pytest.mark.release
@pytest.mark.timeout(1800)
def test_all_three_can_be_released(capfd: pytest.CaptureFixture[str]) -> None:
    assert check.main() == 0, capfd.readouterr().out
