"""What a delivered model is compared with: the same memory, one rate for all, or channels by chance."""

from __future__ import annotations

from primesvt_core.method.rivals import chance_plan, uniform_rates
from primesvt_core.types import ChannelGroup, Rates

SIZES = {"a": 64, "b": 32}


def groups() -> tuple[ChannelGroup, ...]:
    return tuple(
        ChannelGroup(
            name=name, size=size, width=name, slices=(), producers=(), silencers=(), consumers=(), parts=4, min_size=4
        )
        for name, size in SIZES.items()
    )


def memory(rates: Rates) -> int:
    return sum(int(size * (1 - rates.get(name, 0.0))) for name, size in SIZES.items())


def test_the_gentlest_rate_that_is_small_enough() -> None:
    found = uniform_rates({"a": 1.0, "b": 1.0}, memory, 48)
    assert found is not None
    assert (len(set(found.values())), memory(found) <= 48) == (1, True)
    gentler = {name: rate - 1 / 1024 for name, rate in found.items()}
    assert memory(gentler) > 48


def test_a_group_has_no_more_than_its_largest_rate_and_what_is_out_of_reach_is_none() -> None:
    found = uniform_rates({"a": 1.0, "b": 0.25}, memory, 40)
    assert found is not None
    assert found["b"] == 0.25
    assert memory(found) <= 40
    assert uniform_rates({"a": 0.5, "b": 0.25}, memory, 40) is None


def test_chance_keeps_as_many_channels_and_is_the_same_in_every_process() -> None:
    rates = {"a": 0.5, "b": 0.0}
    plan = chance_plan(rates, groups(), seed=3)
    assert {name: len(kept) for name, kept in plan.kept.items()} == {"a": 32}
    assert plan == chance_plan(rates, groups(), seed=3)
    assert plan != chance_plan(rates, groups(), seed=4)
    parts = [sum(part * 16 <= channel < (part + 1) * 16 for channel in plan.kept["a"]) for part in range(4)]
    assert parts == [8] * 4  # even over heads
