"""Candidates side by side: which may stand there, and what they begin with. That they compute the same: EngineSuite."""

from __future__ import annotations

import torch

from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.outlines import outline
from primesvt_core.engines.stacks import Stack, alike, only_silences
from primesvt_core.layers.graph import Signal
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.testing.engines import RATES, OneBlock, at_rate, refitted
from primesvt_core.testing.models import tiny

X, Y = Signal("x"), Signal("y")


def test_those_that_begin_alike_form_runs_in_their_order() -> None:
    assert [*alike(["a", None, "b", "a", None, "a"], 2)] == [(0, 3), (5,), (1,), (2,), (4,)]
    assert [*alike(["a", "a"], 0)] == [(0,), (1,)]  # memory for less than one


def test_a_value_is_spread_with_zeros_where_a_candidate_has_none() -> None:
    x = torch.arange(1.0, 1 + 2 * 3 * 2 * 5).view(2, 3, 5, 2).movedim(-1, 2)  # (T, B, C, N), channels last; 2 channels
    stack = Stack(({X: frozenset({0})}, {}, {X: frozenset({0, 3})}), {X: frozenset({1, 2})})  # 4 channels, 2 left
    found = stack.spread(X, x)
    assert found.movedim(2, -1).is_contiguous()
    for part, mask in zip(found.chunk(3, 1), ([0.0, 1.0], [1.0, 1.0], [0.0, 0.0]), strict=True):
        assert torch.equal(part, x * torch.tensor(mask)[:, None])
    assert torch.equal(stack.spread(Y, x).chunk(3, 1)[2], x)
    assert [*map(len, stack.apart(torch.zeros(9, 10)))] == [3, 3, 3]


def test_a_repair_stands_alone() -> None:
    model = tiny()
    first, second = model.groups[0], model.groups[1]
    silenced = silencing(model.groups, at_rate(first, 0.5))
    nodes = BlockEngine(model.double, OneBlock(model.input[:1].double())).nodes
    assert only_silences(outline(nodes, silenced), silenced, Patch())
    repaired = silenced.extended(refitted(model, [first]))
    assert not only_silences(outline(nodes, repaired), repaired, Patch())
    further = Patch(silenced={**silencing(model.groups, at_rate(second, 0.5)).silenced, **repaired.silenced},
                    tensors=repaired.tensors)  # fmt: skip
    assert only_silences(outline(nodes, further, repaired), further, repaired)


def test_a_block_engine_has_one_level_for_all_rates_of_a_group() -> None:
    model = tiny()
    (hidden,) = (group for group in model.groups if group.name.endswith("fc1"))
    patches = [silencing(model.groups, at_rate(hidden, rate)) for rate in RATES]
    engine = BlockEngine(model.double, OneBlock(model.input[:1].double()), abreast=True)
    engine.evaluate(0, patches)
    ((level,),) = [[*engine.stacks.values()]]
    assert level.stack
    assert level.stack.count == len(RATES)
    engine.evaluate(0, patches)
    assert [*engine.stacks.values()] == [level]  # the next block takes it over
