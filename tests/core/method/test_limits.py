"""Which groups may be pruned, how far, and in which multiples."""

from __future__ import annotations

from typing import Any

import pytest

from primesvt_core.errors import SpecError
from primesvt_core.method.limits import chosen_groups, described, left_whole, max_rate
from primesvt_core.pruning.groups import kept_count
from primesvt_core.spec import CompressionSpec, parse
from primesvt_core.types import ChannelGroup

SIZES = {"stem": 32, "block.0.mlp": 64, "block.0.attn": 12, "embedding": 100}
GROUPS = tuple(
    ChannelGroup(name=name, size=size, width=name, slices=(), producers=(), silencers=(), consumers=())
    for name, size in SIZES.items()
)


def asked(**fields: Any) -> CompressionSpec:
    return parse({"budget": {"max_accuracy_drop": 0.03}, "preset": "paper", **fields})


def test_of_several_patterns_the_strictest_counts() -> None:
    spec = asked(max_rates={"block.*": 0.5, "block.0.m*": 0.75, "*": 0.6, "embedding": 0.25})
    assert {name: max_rate(name, spec) for name in SIZES} == {
        "stem": 0.6, "block.0.mlp": 0.5, "block.0.attn": 0.5, "embedding": 0.25,
    }  # fmt: skip
    kept = {group.name: kept_count(group, 0.9) for group in chosen_groups(GROUPS, spec)}
    assert kept == {"stem": 13, "block.0.mlp": 32, "block.0.attn": 6, "embedding": 75}
    assert max_rate("stem", asked()) == 1.0


def test_nothing_of_a_group_at_a_rate_of_0_may_go() -> None:
    found = chosen_groups(GROUPS, asked(max_rates={"block.*": 0}, excluded_groups=["stem"]))
    assert [group.name for group in found] == ["embedding"]


def test_a_group_without_a_multiple_is_left_whole_and_named() -> None:
    spec = asked(channel_multiple=16)
    found = chosen_groups(GROUPS, spec)
    assert {group.name: kept_count(group, 0.9) for group in found} == {
        "stem": 16, "block.0.mlp": 16, "block.0.attn": 12, "embedding": 16,
    }  # fmt: skip
    assert left_whole(found) == ("block.0.attn",)
    assert left_whole(chosen_groups(GROUPS, asked())) == ()
    assert described(spec) == "channel_multiple 16"


@pytest.mark.parametrize("field", ["groups", "excluded_groups", "max_rates"])
def test_a_pattern_that_matches_no_group_is_refused(field: str) -> None:
    with pytest.raises(SpecError, match=r"no channel group matches 'blok\.\*'; there are: stem, block"):
        chosen_groups(GROUPS, asked(**{field: {"blok.*": 0.5} if field == "max_rates" else ["blok.*"]}))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_rates": {"*": 0}}, r"max_rates \*: 0 and rates up to 0.9 leave no channel group"),
        ({"channel_multiple": 128}, "channel_multiple 128 and rates up to 0.9"),
        ({"max_rates": {"*": 0.03}, "channel_multiple": 16}, r"max_rates \*: 0.03 and channel_multiple 16 and rates"),
        ({"max_rates": {"*": 0}, "groups": ["stem"]}, r"max_rates \*: 0"),
        ({"channel_multiple": 8, "rates": [0.03]}, "rates up to 0.03"),
    ],
)
def test_limits_that_leave_nothing_are_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        chosen_groups(GROUPS, asked(**fields))


def test_without_limits_nothing_to_prune_is_no_mistake() -> None:
    assert chosen_groups(GROUPS, asked(excluded_groups=["*"])) == ()
    assert len(chosen_groups(GROUPS, asked(rates=[0.001]))) == len(GROUPS)
