"""What a candidate changes: nothing more is computed, and what is merely silent is not computed at all."""

from __future__ import annotations

import torch

from primesvt_core.engines.outlines import extends, outline
from primesvt_core.intake.loading import build
from primesvt_core.layers.graph import INPUT, Graph, Signal
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.testing.models import tiny
from primesvt_core.types import Plan

MODEL = tiny()
GRAPH: Graph = build(MODEL.family, MODEL.config, MODEL.state).graph
VALUES: list[str] = [node.value for node in GRAPH.nodes]


def silenced(group: str, *kept: int) -> Patch:
    return silencing(MODEL.groups, Plan({group: kept}))


def changed(patch: Patch) -> list[str]:
    return [node.value for node in outline(GRAPH.nodes, patch).changed]


def test_the_original_changes_nothing() -> None:
    found = outline(GRAPH.nodes, Patch())
    assert (found.changed, found.silent, found.begins_with) == ((), {}, frozenset())


def test_silenced_hidden_channels_are_computed_from_their_consumer_on() -> None:
    patch = silenced("block.0.mlp.fc1", *range(30))
    found = outline(GRAPH.nodes, patch)
    fc1, fc2 = "block.0.mlp.fc1_linear", "block.0.mlp.fc2_linear"
    assert changed(patch) == VALUES[VALUES.index(fc2) :]
    assert {*found.silent} == {fc1, "block.0.mlp.fc1_lif"}
    assert set(found.silent.values()) == {frozenset({30, 31})}
    assert found.begins_with == {"block.0.mlp.fc1_lif", "sum#2"}


def test_silenced_values_pass_through_the_attention() -> None:
    found = outline(GRAPH.nodes, silenced("block.0.attn.v", *range(0, 16, 2)))
    assert found.silent[Signal("attention")] == frozenset(range(1, 16, 2))
    assert found.changed[0].value == "block.0.attn.proj_linear"


def test_silenced_queries_change_the_attention() -> None:
    patch = silenced("block.0.attn.qk", *range(0, 16, 2))
    assert changed(patch)[0] == "attention"
    assert "block.0.attn.v_lif" in outline(GRAPH.nodes, patch).begins_with


def test_a_changed_weight_is_computed_with_all_behind_it() -> None:
    name = "block.0.attn.proj_linear.weight"
    patch = Patch(tensors={name: torch.zeros_like(MODEL.state[name])})
    assert changed(patch) == VALUES[VALUES.index("block.0.attn.proj_linear") :]


def test_a_changed_weight_beside_silence_in_one_layer_is_computed() -> None:
    name = "block.0.mlp.fc1_linear.weight"
    patch = Patch(silenced=silenced("block.0.mlp.fc1", *range(30)).silenced, tensors={name: MODEL.state[name]})
    assert changed(patch)[0] == "block.0.mlp.fc1_linear"


def test_what_a_candidate_shares_with_another_is_not_computed_again() -> None:
    first = silenced("block.0.attn.v", *range(8))
    both = silencing(MODEL.groups, Plan({"block.0.attn.v": tuple(range(8)), "block.0.mlp.fc1": tuple(range(16))}))
    assert extends(both, first)
    assert not extends(first, both)
    found = outline(GRAPH.nodes, both, first)
    assert found.changed[0].value == "block.0.mlp.fc2_linear"
    assert outline(GRAPH.nodes, both, both).changed == ()


def test_channels_that_are_silenced_beside_others_are_silent_together() -> None:
    few, more = silenced("block.0.mlp.fc1", *range(30)), silenced("block.0.mlp.fc1", *range(20))
    assert set(outline(GRAPH.nodes, more, few).silent.values()) == {frozenset(range(20, 32))}


def test_a_silenced_stream_is_computed_from_its_first_sum_on() -> None:
    found = outline(GRAPH.nodes, silenced("embedding", *range(8)))
    assert {"patch_embed.proj_lif3", "patch_embed.pool#2"} <= {*found.silent}
    assert found.changed[0].value == "patch_embed.rpe_conv"
    assert INPUT not in found.begins_with
