"""The block engine: what it keeps, and that it computes no more than it must. Numbers are in the conformance suite."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from primesvt_core.engines import Engine, open_engine, pieces
from primesvt_core.engines.blockwise import BlockEngine, _cuts
from primesvt_core.engines.predictions import predictions
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.intake.loading import build
from primesvt_core.layers.graph import INPUT, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import reset
from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.testing.models import tiny
from primesvt_core.types import Plan

DRAWN = tiny()


class Counting:
    """Two blocks of images, and how often each was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 2

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        self.asked.append(index)
        return DRAWN.input + index, torch.tensor([0, 1, 2])


@pytest.fixture
def model() -> SpikingModel:
    return build(DRAWN.family, DRAWN.config, DRAWN.state)


def silenced(group: str, count: int) -> Patch:
    return silencing(DRAWN.groups, Plan({group: tuple(range(count))}))


PATCHES = [Patch(), silenced("block.0.mlp.fc1", 16), silenced("embedding", 8), silenced("stem.0", 2)]


def test_the_original_is_the_candidate_without_changes(model: SpikingModel) -> None:
    (found,) = BlockEngine(model, Counting()).evaluate(0, [Patch()])
    with torch.no_grad():
        classes = model(DRAWN.input).argmax(1)
    assert found.classes == tuple(classes.tolist())
    assert found.right == tuple((classes == torch.tensor([0, 1, 2])).tolist())
    assert found.divergence == (0.0, 0.0, 0.0)


def test_candidates_are_in_the_order_in_which_they_were_given(model: SpikingModel) -> None:
    engine = BlockEngine(model, Counting())
    together = engine.evaluate(1, PATCHES)
    assert [*reversed(engine.evaluate(1, PATCHES[::-1]))] == together
    assert [found for patch in PATCHES for found in engine.evaluate(1, [patch])] == together


def test_images_are_asked_for_once_while_what_follows_them_is_kept(model: SpikingModel) -> None:
    images = Counting()
    engine = BlockEngine(model, images)
    for block in (0, 1, 0, 1):
        engine.evaluate(block, PATCHES)
    assert images.asked == [0, 1]


def test_without_memory_everything_is_computed_again_and_the_same(model: SpikingModel) -> None:
    images = Counting()
    kept, not_kept = BlockEngine(model, Counting()), BlockEngine(model, images, kept_bytes=0)
    for _ in range(2):
        assert not_kept.evaluate(0, PATCHES) == kept.evaluate(0, PATCHES)
    assert images.asked == [0, 0]


@pytest.mark.parametrize("limit", [100, 5_000, 50_000])
def test_little_memory_is_not_exceeded(model: SpikingModel, limit: int) -> None:
    engine = BlockEngine(model, Counting(), kept_bytes=limit)
    wanted = BlockEngine(model, Counting()).evaluate(0, PATCHES)
    for _ in range(2):
        assert engine.evaluate(0, PATCHES) == wanted
        kept = engine.original.kept
        held = [value for pieces in kept.values.values() for value in pieces.values()]
        assert sum(value.nbytes for value in held) == kept.bytes <= limit


def test_a_step_that_was_accepted_is_where_further_candidates_begin(model: SpikingModel) -> None:
    engine = BlockEngine(model, Counting())
    further = silencing(DRAWN.groups, Plan({"block.0.mlp.fc1": tuple(range(16)), "block.0.attn.v": tuple(range(8))}))
    wanted = engine.evaluate(0, [further, *PATCHES])
    engine.rebase(PATCHES[1])
    assert engine.evaluate(0, [further, *PATCHES]) == wanted
    assert engine.base.patch is PATCHES[1]
    assert engine.base.kept.bytes > 0
    engine.rebase(Patch())
    assert engine.base is engine.original


@pytest.mark.parametrize("as_written", [False, True])
def test_steps_that_follow_each_other_take_over_what_was_kept(model: SpikingModel, as_written: bool) -> None:
    images = Counting()
    engine = BlockEngine(model, images, as_written=as_written)
    kept: dict[str, tuple[int, ...]] = {}
    for group, rest in (("block.1.mlp.fc1", 20), ("block.0.mlp.fc1", 16), ("block.0.attn.v", 8), ("stem.1", 3)):
        kept[group] = tuple(range(rest))
        step = silencing(DRAWN.groups, Plan(dict(kept)))
        for block in (0, 1):
            alone = BlockEngine(model, Counting(), as_written=as_written)
            assert engine.evaluate(block, [step]) == alone.evaluate(block, [step])
        engine.rebase(step)
    assert images.asked == [0, 1]  # what the steps began with was always there


def test_pieces_give_what_a_block_gives(model: SpikingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BlockEngine(model, Counting()).evaluate(0, PATCHES)
    monkeypatch.setattr(pieces, "PIECE", 1)
    parts = BlockEngine(model, Counting()).evaluate(0, PATCHES)
    for one, other in zip(whole, parts, strict=True):
        assert one.classes == other.classes
        assert one.divergence == pytest.approx(other.divergence, abs=1e-5)


def test_large_pictures_have_smaller_pieces(model: SpikingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = Counting().block(0)
    whole = BlockEngine(model, Counting()).evaluate(0, PATCHES)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 2 * pieces.bytes_an_image(model, x.shape[-2] * x.shape[-1]))
    other = BlockEngine(model, Counting())
    assert [one.classes for one in other.evaluate(0, PATCHES)] == [one.classes for one in whole]
    assert other._pieces(0) == pieces.piece_count(len(x), 2)


def test_the_last_of_several_time_steps_is_what_candidates_are_compared_with(
    model: SpikingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 1)  # sums of other pieces may be rounded otherwise
    images = Counting()
    logits, labels = BlockEngine(model, images, kept_bytes=0).by_step(1)
    assert (images.asked, labels.tolist()) == ([1], [0, 1, 2])
    assert logits.shape == (DRAWN.config.time_steps, 3, DRAWN.config.num_classes)
    (found,) = BlockEngine(model, Counting()).evaluate(1, [Patch()])
    assert found == predictions(logits[-1], logits[-1], labels)


def test_streams_are_where_a_network_can_be_cut(model: SpikingModel) -> None:
    nodes = model.graph.nodes
    cuts = _cuts(nodes)
    assert {"sum", "sum#2", "sum#3"} <= cuts
    for cut in cuts:
        at = next(index for index, node in enumerate(nodes) if node.value == cut)
        before = {INPUT, *(node.value for node in nodes[:at])}
        assert not before & {name for node in nodes[at + 1 :] for name in node.inputs}


def test_a_model_whose_images_depend_on_each_other_is_computed_by_the_reference(model: SpikingModel) -> None:
    def engine() -> Engine:
        return open_engine(model, Counting())

    assert isinstance(engine(), BlockEngine)
    model.depends_on_batch = True
    assert isinstance(engine(), ReferenceEngine)


def recorded(model: SpikingModel, patch: Patch, x: Tensor) -> dict[Signal, Tensor]:
    """Every value of a candidate, by the modules as they are."""
    values = {INPUT: model.encode(x)}
    with torch.inference_mode(), patched(model, patch):
        reset(model)
        for node in model.graph.nodes:
            values[node.value] = node.op(*(values[name] for name in node.inputs))
        reset(model)
    return values


NAMES = [Signal(name) for name in ("block.0.attn.q_lif", "tokens", "block.0.attn.attn_lif", "block.0.mlp.fc1_lif")]


def test_values_are_what_the_modules_compute() -> None:
    model = build(DRAWN.family, DRAWN.config, DRAWN.state).double()
    names = [name for name in NAMES if name in {node.value for node in model.graph.nodes}]
    assert len(names) >= 3
    images = Counting()
    engine = BlockEngine(model, images)
    patch = PATCHES[2]
    for changes in ({}, {"block.0.attn.q_linear.weight": 1.5 * DRAWN.state["block.0.attn.q_linear.weight"]}):
        patch = patch.extended(changes)
        for block in (0, 1):
            for candidate in (patch, Patch()):
                wanted = recorded(model, candidate, (DRAWN.input + block).double())
                found = engine.values(block, candidate, names)
                for name, value in zip(names, found, strict=True):
                    assert value.shape == wanted[name].shape
                    assert torch.allclose(value, wanted[name]), name
        engine.rebase(patch)
    assert images.asked == [0, 1]  # the second patch began with what was kept of the first
