"""Which rates are measured, and which groups they make targets."""

from __future__ import annotations

from collections.abc import Sequence

from primesvt_core.method.profiling import WITH_EACH_OTHER, distinct_rates, explore, targeted
from primesvt_core.types import GroupSize, ProfileCell, Rates

RATES = (0.25, 0.5, 0.75)


def test_a_rate_that_removes_no_other_number_of_channels_is_not_measured_twice() -> None:
    group = GroupSize(name="big", size=2, min_size=1, parts=1, parameters=2, parameter_bytes=8)
    found = distinct_rates([group], (0.1, 0.4, 0.5, 0.9), lambda _, rate: max(1, 2 - round(2 * rate)))
    assert found == {"big": (0.4,)}


def test_the_largest_rate_of_a_group_stands_for_all_that_are_deeper() -> None:
    groups = [
        GroupSize(name=name, size=100, min_size=1, parts=1, parameters=100, parameter_bytes=400)
        for name in ("bounded", "free", "closed")
    ]
    limits = {"bounded": 0.25, "closed": 0.05}
    found = distinct_rates(
        groups, (0.1, 0.2, 0.5, 0.9), lambda name, rate: 100 - round(100 * min(rate, limits.get(name, 1.0))), limits
    )
    assert found == {"bounded": (0.1, 0.2, 0.25), "free": (0.1, 0.2, 0.5, 0.9), "closed": (0.05,)}


class Asked:
    """Groups that lose ``cost`` in proportion to the rate, and what was asked of them."""

    def __init__(self, **cost: float) -> None:
        self.cost, self.waves = cost, list[list[Rates]]()

    def decide(self, every: Sequence[Rates], allowed_drop: float) -> list[bool]:
        self.waves.append([*every])
        return [self.cost[group] * rate <= allowed_drop for rates in every for group, rate in rates.items()]


def test_every_group_is_asked_from_its_deepest_rate_on_until_one_is_within() -> None:
    groups, through = Asked(strong=0.02, middling=0.05, weak=1.0), list[str]()
    explore(dict.fromkeys(groups.cost, RATES), 0.03, groups.decide, through.append)
    assert groups.waves == [
        [{"strong": 0.75}, {"middling": 0.75}, {"weak": 0.75}],
        [{"middling": 0.5}, {"weak": 0.5}],
        [{"weak": 0.25}],
    ]
    assert through == ["strong", "middling", "weak"]


def test_a_few_groups_are_asked_at_a_time_and_those_without_rates_not_at_all() -> None:
    groups, through = Asked(**{f"g{number}": 0.0 for number in range(WITH_EACH_OTHER + 2)}), list[str]()
    explore({"none": (), **dict.fromkeys(groups.cost, RATES)}, 0.01, groups.decide, through.append)
    assert [len(wave) for wave in groups.waves] == [WITH_EACH_OTHER, 2]
    assert through == [*groups.cost]


def cell(group: str, drop: float, *, is_bound: bool = False) -> ProfileCell:
    return ProfileCell(
        group=group, rate=0.5, kept=4, accuracy=0.9 - drop, accuracy_drop=drop, memory_saving=0.1, samples=50,
        is_bound=is_bound,
    )  # fmt: skip


def test_groups_are_targeted_that_stay_within_the_drop_at_some_rate() -> None:
    cells = [cell("within", 0.02), cell("beyond", 0.021), cell("unknown", 0.01, is_bound=True)]
    assert targeted(cells, 0.02) == {"within"}
