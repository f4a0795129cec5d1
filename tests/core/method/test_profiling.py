"""Cells of the profile, and which groups they make targets."""

from __future__ import annotations

from primesvt_core.method.profiling import profile, targets
from primesvt_core.types import GroupSize, ProfileCell
from tests.support.three_groups import RATES, Model


def test_a_rate_that_removes_no_other_number_of_channels_is_not_evaluated_twice() -> None:
    group = GroupSize(name="big", size=2, min_size=1, parts=1, parameters=2, parameter_bytes=8)
    model = Model(big=0.1)
    seen: list[ProfileCell] = []
    cells = profile(
        [group], (0.1, 0.4, 0.5, 0.9), lambda _, rate: max(1, 2 - round(2 * rate)), model.evaluate, 0.9, seen.append
    )
    assert [(cell.rate, cell.kept) for cell in cells] == [(0.4, 1)]
    assert seen == [*cells]


def test_targets_are_groups_that_stay_within_the_drop_at_some_rate() -> None:
    cells = Model(big=0.04, small=0.2, stream=0.02).cells()
    assert targets(cells, 0.02) == {"big": (0.25, 0.5), "stream": RATES}
