"""Plans that are given: what is read, what fits a checkpoint, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from primesvt_client.plan_files import essential
from primesvt_core.errors import ImpossibleBudget, PlanMismatch, SpecError
from primesvt_core.method.given_plan import (
    FittedPlan,
    GivenPlan,
    Origin,
    check_targets,
    fitted,
    plan_of,
    read_plan,
    seen_before,
    without_more,
)
from primesvt_core.method.search import Goal
from primesvt_core.spec import parse
from primesvt_core.types import ChannelGroup
from tests.support.dashboard import sample_report


def named(name: str, size: int, parts: int = 1) -> ChannelGroup:
    return ChannelGroup(
        name=name, size=size, width=name, slices=(), producers=(), silencers=(), consumers=(), parts=parts
    )


GROUPS = (named("block.0.mlp", 32), named("block.1.mlp", 32), named("block.0.qk", 16, parts=2), named("stream", 8))
SIZES = {group.name: group.size for group in GROUPS}


def fit(plan: GivenPlan, **spec: Any) -> FittedPlan:
    asked = parse({"budget": {"max_accuracy_drop": 0.03}, **spec})
    return fitted(plan, family="spikformer", variant="cifar", groups=GROUPS, spec=asked)


def given(**rates: float) -> GivenPlan:
    return GivenPlan(name="rates.yaml", rates={name.replace("__", "."): rate for name, rate in rates.items()})


def found(
    rates: dict[str, float],
    after: dict[str, int],
    *,
    family: str = "spikformer",
    variant: str = "cifar",
    before: dict[str, int] | None = None,
    multiple: int = 1,
) -> GivenPlan:
    """As a report has it."""
    sizes = {name: ((before or SIZES).get(name, 0), after.get(name, size)) for name, size in SIZES.items()}
    sizes |= {name: (size, size) for name, size in (before or {}).items() if name not in sizes}
    origin = Origin(family=family, variant=variant, channel_multiple=multiple, sizes=sizes)
    return GivenPlan(name="report.json", rates={**dict.fromkeys(sizes, 0.0), **rates}, origin=origin)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rates.yaml", "# of the last run\nblock.*.mlp: 0.25\nstream: 0\n"),
        ("rates.yml", "{block.*.mlp: 0.25, stream: 0.0}"),
        ("rates.json", '{"block.*.mlp": 0.25, "stream": 0}'),
        ("rates", '\ufeff{"block.*.mlp": 0.25, "stream": 0}'),
    ],
)
def test_rates_are_read_from_yaml_and_json(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    plan = read_plan(tmp_path / name)
    assert (plan.name, plan.rates, plan.origin) == (name, {"block.*.mlp": 0.25, "stream": 0.0}, None)


def test_a_report_is_a_plan_that_knows_where_it_was_found(tmp_path: Path) -> None:
    document = json.loads(sample_report().model_dump_json())
    document["groups"] = [
        {**document["groups"][0], "name": "a", "size_before": 8, "size_after": 6, "rate": 0.25},
        {**document["groups"][0], "name": "b", "size_before": 4, "size_after": 4, "rate": 0.0},
    ]
    document["spec"]["channel_multiple"] = 2
    document["new_in_a_later_version"] = True
    (tmp_path / "report.json").write_text(json.dumps(document))
    plan = read_plan(tmp_path / "report.json")
    assert plan.rates == {"a": 0.25, "b": 0.0}
    assert plan.origin == Origin(
        family="spikformer",
        variant="cifar",
        channel_multiple=2,
        sizes={"a": (8, 6), "b": (4, 4)},
        data_fingerprint="f" * 64,
    )
    assert "was found on this very data set" in seen_before(plan, "f" * 64)[0]
    assert seen_before(plan, "e" * 64) == seen_before(given(a=0.5), "f" * 64) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1.0", "a: Input should be less than 1"),
        ("a: -0.1", "a: Input should be greater than or equal to 0"),
        ("a: .nan", "a: "),
        ('{"a": NaN}', "a: "),
        ("a: true", "a: Input should be a valid number"),
        ("a: '0.5'", "a: Input should be a valid number"),
        ("a: 2026-01-01", "a: Input should be a valid number"),
        ("1: 0.5", "valid string"),
        ("a: {b: 0.5}", "a: Input should be a valid number"),
        ("a: 0.5\nb: 0.5\na: 0.6", "gives a more than once"),
        ('{"a": 0.5, "a": 0.5}', "gives a more than once"),
        ("[0.5]", "nor a mapping"),
        ("", "nor a mapping"),
        ("{}", "nor a mapping"),
        ("a: [", "cannot read the plan"),
        ("!!python/object/apply:os.getcwd []", "cannot read the plan"),
        ('{"groups": [], "family": "spikformer"}', "schema_version"),
        ('{"groups": [{"name": "a", "size_before": 4, "size_after": 2, "rate": 1.5}]}', "groups.0.rate"),
    ],
)
def test_what_is_no_plan_is_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "plan").write_text(text)
    with pytest.raises(SpecError) as refused:
        read_plan(tmp_path / "plan")
    assert told in refused.value.message


def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "nowhere.json", tmp_path, tmp_path / "bytes"):
        with pytest.raises(SpecError, match=f"cannot read the plan {path}"):
            read_plan(path)


def test_patterns_name_groups_and_a_groups_own_name_counts_before_them() -> None:
    plan = fit(given(**{"block__*": 0.25, "block__1__mlp": 0.5}))
    assert plan == FittedPlan(rates={"block.0.mlp": 0.25, "block.1.mlp": 0.5, "block.0.qk": 0.25})
    assert fit(given(**{"block__*": 0.25, "block__0__*": 0.25})).rates["block.0.mlp"] == 0.25
    with pytest.raises(PlanMismatch, match=r"gives block\.0\.mlp several rates \(block\.\*: 0\.25, \*\.mlp: 0\.5\)"):
        fit(given(**{"block__*": 0.25, "*__mlp": 0.5}))


def test_a_rate_that_removes_nothing_is_told_and_one_of_nothing_at_all_is_refused() -> None:
    plan = fit(given(stream=0.1, block__0__mlp=0.5))
    assert plan.rates == {"block.0.mlp": 0.5}
    assert plan.notes == ("The rates of stream are too small to remove a channel: left whole.",)
    for nothing in (given(stream=0.1), given(stream=0.0)):
        with pytest.raises(PlanMismatch, match="removes no channel"):
            fit(nothing)


HALF = {"block.0.mlp": 16}


@pytest.mark.parametrize(
    ("plan", "spec", "told"),
    [
        (given(block__7__mlp=0.5, block__0__mlp=0.5), {}, "'block.7.mlp', which no channel group"),
        (found({"block.0.mlp": 0.5}, HALF, family="sdtv1"), {}, "of the family sdtv1 (cifar), but the checkpoint"),
        (found({"block.0.mlp": 0.5}, HALF, variant="dvs"), {}, "(dvs)"),
        (
            found({"block.0.mlp": 0.5}, HALF, before={**SIZES, "block.1.mlp": 64}),
            {},
            "block.1.mlp has 64 channels in the plan and 32 in the checkpoint",
        ),
        (found({"block.0.mlp": 0.5}, HALF, before={**SIZES, "block.2.mlp": 32}), {}, "'block.2.mlp', which no"),
        (
            found({"block.0.mlp": 0.3}, {"block.0.mlp": 24}, multiple=8),
            {},
            "block.0.mlp at 0.3 leaves 23 channels, and left 24 there; give the limits of the run that found them"
            " (channel_multiple 8)",
        ),
        (given(stream=0.5), {"excluded_groups": ["stream"]}, "prunes stream, which the constraint spec excludes"),
        (given(stream=0.5), {"groups": ["block.*"]}, "prunes stream, which the constraint spec excludes"),
        (given(stream=0.5), {"max_rates": {"s*": 0.25}}, "deeper than max_rates of the constraint spec: stream at 0.5"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(plan: GivenPlan, spec: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanMismatch) as refused:
        fit(plan, **spec)
    assert told in refused.value.message
    assert refused.value.error_code == "plan_mismatch"


def test_a_plan_of_the_same_architecture_leaves_as_many_channels() -> None:
    assert fit(found({"block.0.mlp": 0.5}, HALF)).rates == {"block.0.mlp": 0.5}
    plan = found({"block.0.mlp": 0.3, "block.0.qk": 0.5}, {"block.0.mlp": 24, "block.0.qk": 8}, multiple=8)
    assert fit(plan, channel_multiple=8).rates == {"block.0.mlp": 0.3, "block.0.qk": 0.5}


def test_a_target_that_the_plan_does_not_reach_is_refused_with_what_it_leaves() -> None:
    check_targets("p", Goal(allowed_drop=0.0, target_bytes=100, max_macs=10), 100, 10, {})
    check_targets("p", Goal(allowed_drop=None, target_bytes=None), 10**9, 10**9, {})
    for goal in (
        Goal(allowed_drop=None, target_bytes=99),
        Goal(allowed_drop=None, target_bytes=None, max_macs=9),
    ):
        with pytest.raises(ImpossibleBudget, match="the plan p leaves 100 bytes, 10 multiply-accumulates"):
            check_targets("p", goal, 100, 10, {})


def test_what_clients_send_of_a_report_is_the_same_plan() -> None:
    report = sample_report().model_dump(mode="json")
    sent = essential(report)
    assert len(json.dumps(sent)) < len(json.dumps(report)) / 2
    assert plan_of(sent, "a") == plan_of(report, "a") == plan_of(without_more(sent, "a"), "a")
    rates = {"block.*": 0.5}
    assert essential(rates) == without_more(rates, "a") == rates
