"""Limits that hardware sets hold for every family, whatever a spec asks for."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primesvt_core.errors import SpecError
from primesvt_core.method.limits import chosen_groups, described, max_rate
from primesvt_core.method.profiling import distinct_rates
from primesvt_core.pruning.groups import check_plan, kept_count, plan_for
from primesvt_core.pruning.sizes import sort_groups, sort_layers
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.spec import CompressionSpec, parse
from primesvt_core.types import ChannelGroup, LayerSize
from tests.support.goldens import Golden
from tests.support.references import references

SPECS_OF_A_FAMILY = 60
FIRST = {reference.family: reference for reference in reversed(references())}
HUNDREDTHS = st.integers(0, 99).map(lambda number: number / 100)


@pytest.fixture(scope="module", params=[*FIRST.values()], ids=[*FIRST])
def model(request: pytest.FixtureRequest) -> Golden:
    golden: Golden = request.param.load()
    return golden


def specs(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Limits of groups, of all of them, and of blocks; multiples that fit and that do not."""
    patterns = st.sampled_from([*names, "*", "*.attn*", "*mlp*", f"{names[-1][:3]}*"])
    fitting = patterns.filter(lambda pattern: any(fnmatchcase(name, pattern) for name in names))
    return st.fixed_dictionaries({
        "max_rates": st.dictionaries(fitting, HUNDREDTHS, max_size=4),
        "channel_multiple": st.sampled_from([1, 2, 3, 4, 7, 8, 16, 32, 100]),
        "rates": st.lists(st.integers(1, 99).map(lambda number: number / 100), min_size=1, max_size=5),
    })  # fmt: skip


def smallest(group: ChannelGroup, rate: float, spec: CompressionSpec) -> int:
    """The smallest size that a rate and the limits allow, found by trying every size there is."""
    limits = [limit for pattern, limit in spec.max_rates.items() if fnmatchcase(group.name, pattern)]
    run, allowed = group.size // group.parts, Fraction(str(min([rate, *limits])))
    sizes = (
        size
        for size in range(group.parts, group.size + 1, group.parts)
        if size == group.size or size % spec.channel_multiple == 0
    )
    return next(s for s in sizes if s >= group.min_size and run - s // group.parts <= int(allowed * run))


def test_every_rate_keeps_the_smallest_size_that_the_limits_allow(model: Golden) -> None:
    names = [group.name for group in model.groups]
    layers = sort_layers(model.family.layers(model.config), shapes_of(model.state))

    @settings(max_examples=SPECS_OF_A_FAMILY, deadline=None, derandomize=True, database=None)
    @given(limits=specs(names), tried=st.lists(HUNDREDTHS, min_size=len(names), max_size=len(names)))
    def holds(limits: dict[str, Any], tried: list[float]) -> None:
        spec = parse({"budget": {"max_accuracy_drop": 0.03}, "preset": "paper", **limits})
        wanted = {g.name: smallest(g, spec.rates[-1], spec) for g in model.groups}
        if all(wanted[group.name] == group.size for group in model.groups) and described(spec):
            with pytest.raises(SpecError, match="leave no channel group that could be pruned"):
                chosen_groups(model.groups, spec)
            return
        groups = chosen_groups(model.groups, spec)
        assert {*names} - {group.name for group in groups} == {
            name for name in names if any(not r for p, r in spec.max_rates.items() if fnmatchcase(name, p))
        }
        rates = dict(zip(names, tried, strict=True))
        original = {group.name: group for group in model.groups}
        for group in groups:
            for rate in (*spec.rates, rates[group.name]):
                assert kept_count(group, rate) == smallest(original[group.name], rate, spec)
        plan = plan_for(rates, groups, {group.name: [*map(float, range(group.size))] for group in groups})
        check_plan(plan, model.groups)  # every part keeps the same number
        check_rates(groups, layers, spec)

    holds()


def check_rates(groups: Sequence[ChannelGroup], layers: Sequence[LayerSize], spec: CompressionSpec) -> None:
    """The rates to try keep within the limits, each removes more than the one before, the last as much as may go."""
    limits, kept = {g.name: max_rate(g.name, spec) for g in groups}, {g.name: partial(kept_count, g) for g in groups}
    found = distinct_rates(sort_groups(groups, layers), spec.rates, lambda name, rate: kept[name](rate), limits)
    for group in groups:
        left = [kept_count(group, rate) for rate in found[group.name]]
        assert all(rate <= limits[group.name] for rate in found[group.name])
        assert left == sorted(set(left), reverse=True)
        assert min([group.size, *left]) == kept_count(group, spec.rates[-1])
