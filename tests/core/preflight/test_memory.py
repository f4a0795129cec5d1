"""How far a model can be pruned at all, against a formula."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_client.facts import CheckpointFacts
from primesvt_core.method.search import bytes_left
from primesvt_core.preflight.memory import _largest_saving, _nearest_saving, deepest
from tests.support.preflights import WHOLE, asked, inputs, model


def memory(mlp: int, attn: int) -> int:
    return 4 * mlp * attn


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, (5, 6)),
        ({"rates": [0.9]}, (1, 2)),
        ({"excluded_groups": ["attn"]}, (5, 12)),
        ({"groups": ["attn"]}, (10, 6)),
        ({"max_rates": {"m*": 0.3}}, (7, 6)),
        ({"max_rates": {"*": 0.3, "attn": 0}}, (7, 12)),
        ({"channel_multiple": 4}, (8, 8)),
        ({"excluded_groups": ["*"]}, (10, 12)),
    ],
)
def test_the_largest_saving_is_of_every_permitted_group_at_its_highest_rate(
    limits: dict[str, Any], kept: tuple[int, int]
) -> None:
    found = deepest(asked(**limits), inputs(model()))
    assert found.largest_saving == pytest.approx(1 - memory(*kept) / WHOLE, abs=1e-12)
    assert (found.problems, found.notes) == ((), ())


@pytest.mark.parametrize(
    ("budget", "problems"),
    [
        ({"min_memory_saving": 0.75, "max_parameter_bytes": 120}, []),
        ({"min_memory_saving": 0.8}, [("budget.min_memory_saving", 0.75)]),
        ({"max_parameter_bytes": 119}, [("budget.max_parameter_bytes", 120)]),
        (
            {"max_parameter_bytes": 100, "min_memory_saving": 0.9},
            [("budget.min_memory_saving", 0.75), ("budget.max_parameter_bytes", 120)],
        ),
    ],
)
def test_a_target_beyond_it_is_a_problem_with_the_nearest_that_is_not(
    budget: dict[str, Any], problems: list[tuple[str, float]]
) -> None:
    found = deepest(asked(budget=budget), inputs(model()))
    assert [(problem.field, problem.nearest) for problem in found.problems] == problems
    assert {problem.code for problem in found.problems} <= {"impossible_budget"}
    taken = {field.removeprefix("budget."): nearest for field, nearest in problems}
    assert deepest(asked(budget=budget | taken), inputs(model())).problems == ()


@given(whole=st.integers(1, 1 << 50), share=st.floats(0, 1))
def test_a_saving_that_is_named_may_be_asked_for(whole: int, share: float) -> None:
    smallest = max(1, int(whole * share))
    largest, nearest = _largest_saving(whole, smallest), _nearest_saving(whole, smallest)
    assert largest == pytest.approx(1 - smallest / whole, abs=1e-9)
    assert bytes_left(whole, largest) >= smallest
    assert nearest is None or (0 < nearest <= largest and bytes_left(whole, nearest) >= smallest)


def test_limits_that_fit_no_group_are_a_problem_as_in_the_run() -> None:
    for limits, said in (({"excluded_groups": ["stem*"]}, "stem*"), ({"channel_multiple": 4096}, "channel_multiple")):
        found = deepest(asked(**limits), inputs(model()))
        assert (found.largest_saving, [one.code for one in found.problems]) == (None, ["invalid_spec"])
        assert said in found.problems[0].detail


@pytest.mark.parametrize(
    ("checkpoint", "spec", "said"),
    [
        (model(memory=None), {}, "another version"),
        (model(groups=None), {}, "another version"),
        (model(groups=({"name": "mlp"},)), {}, "another version"),
        (model(), {"container": "state_dict_ema"}, "state_dict_ema"),
        (model(), {"assumptions": {"num_heads": 4}}, "num_heads=4"),
    ],
)
def test_what_validation_did_not_see_is_not_known_and_no_problem(
    checkpoint: CheckpointFacts, spec: dict[str, Any], said: str
) -> None:
    found = deepest(asked(budget={"min_memory_saving": 0.99}, **spec), inputs(checkpoint))
    assert (found.largest_saving, found.problems) == (None, ())
    assert said in found.notes[0]


@pytest.mark.parametrize("assumptions", [{"num_heads": 2}, {"time_steps": 9}, {"image_size": 64, "levels": 8}])
def test_what_changes_no_width_leaves_it_known(assumptions: dict[str, Any]) -> None:
    found = deepest(asked(assumptions=assumptions, container="model"), inputs(model()))
    assert found.largest_saving == pytest.approx(0.75)


def test_nothing_is_said_of_what_is_not_validated() -> None:
    assert deepest(asked(), inputs()).largest_saving is None
