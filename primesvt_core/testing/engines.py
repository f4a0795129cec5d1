"""What every family must hold of engines: they compute what the reference and the sliced model compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from primesvt_core.engines import Engine, Predictions
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.predictions import predictions
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.intake.loading import build
from primesvt_core.layers.causality import noncausal
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.pruning.surgery import prune
from primesvt_core.testing.families import TOLERANCE, FamilyModels, shortened
from primesvt_core.testing.models import FamilyModel
from primesvt_core.testing.structures import structures
from primesvt_core.types import ChannelGroup, Plan

CHANGE = 0.05
"""Standard deviation of what is added to weights, relative to theirs."""


RATES = (0.2, 0.4, 0.6, 0.8)
"""Of one group, for candidates that are computed side by side."""


FRAMES = 5
"""Dimensions of frames ``(B, T, C, H, W)``."""

STEPS = 3
"""Time steps of a run, of which shorter ones are its beginnings."""


class OneBlock:
    """Images in one block, without labels."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return 1

    def block(self, _index: int) -> tuple[Tensor, Tensor]:
        """The images, and labels of 0."""
        return self.x, torch.zeros(len(self.x), dtype=torch.int64)


def random_plan(model: FamilyModel, groups: list[ChannelGroup], rate: float) -> Plan:
    """Channels chosen by chance, the same ones every time."""
    chance = torch.Generator().manual_seed(len(groups))
    scores = {group.name: torch.rand(group.size, generator=chance).tolist() for group in groups}
    return Plan({group.name: select(group, scores[group.name], rate) for group in model.groups if group in groups})


def at_rate(group: ChannelGroup, rate: float) -> Plan:
    """The first channels of a group pruned, so that a higher rate prunes whatever a lower one does."""
    return Plan({group.name: select(group, [*map(float, range(group.size))], rate)})


def refitted(model: FamilyModel, groups: list[ChannelGroup]) -> dict[str, Tensor]:
    """Weights that read the groups' channels, changed by chance, as a repair would."""
    chance = torch.Generator().manual_seed(1)
    names = sorted({consumer for group in groups for consumer in group.consumers})
    weights = {name: model.state[name] for name in names}
    return {w: x + CHANGE * x.std() * torch.randn(x.shape, generator=chance) for w, x in weights.items()}


def differ(found: Predictions, wanted: Predictions) -> float:
    """The largest difference of a divergence; infinite where a predicted class differs."""
    if found.classes != wanted.classes:
        return float("inf")
    return max(abs(a - b) for a, b in zip(found.divergence, wanted.divergence, strict=True))


class EngineSuite(FamilyModels):
    """The block engine against the reference and the sliced model, under random patches, in double precision."""

    @pytest.fixture(scope="class")
    @classmethod
    def patched_plans(cls, model: FamilyModel) -> list[tuple[Plan, Patch]]:
        """One group of every structure alone; all groups; and both with weights that a repair changed."""
        alone = [alike[0] for alike in structures(model)]
        plans = [*(random_plan(model, [group], 0.5) for group in alone), random_plan(model, [*model.groups], 0.3)]
        plain = [(plan, silencing(model.groups, plan)) for plan in plans]
        every = plain[-1]
        repaired = Patch(silenced=every[1].silenced, tensors=refitted(model, [*model.groups]))
        first = Patch(silenced=plain[0][1].silenced, tensors=refitted(model, alone[:1]))
        return [(Plan({}), Patch()), *plain, (every[0], repaired), (plans[0], first)]

    def test_an_engine_computes_what_the_reference_does(
        self, model: FamilyModel, patched_plans: list[tuple[Plan, Patch]]
    ) -> None:
        short = shortened(model)
        images, patches = OneBlock(short.input[:1].double()), [patch for _, patch in patched_plans]
        engine: Engine = BlockEngine(short.double, images)
        found = engine.evaluate(0, patches)
        wanted = ReferenceEngine(short.double, images).evaluate(0, patches)
        assert max(map(differ, found, wanted)) <= TOLERANCE
        assert found[0].divergence == (0.0,)
        assert max(max(each.divergence) for each in wanted) > 0.0  # or nothing happened
        assert engine.evaluate(0, patches[::-1]) == found[::-1]  # whatever is kept from before
        for patch in (patches[1], patches[-2]):
            engine.rebase(patch)  # whatever it begins with
            assert max(map(differ, engine.evaluate(0, patches), wanted)) <= TOLERANCE
        assert BlockEngine(short.double, images, as_written=True).evaluate(0, patches) == wanted

    def test_candidates_side_by_side_are_those_one_after_another(self, model: FamilyModel) -> None:
        short = shortened(model)
        images, first = OneBlock(short.input[:2].double()), short.groups[0]
        patches = [silencing(short.groups, at_rate(group, rate)) for group in short.groups[::4] for rate in RATES]
        repaired = Patch(silenced=patches[0].silenced, tensors=refitted(short, [first]))
        alone, together = (BlockEngine(short.double, images, abreast=abreast) for abreast in (False, True))
        wanted = alone.evaluate(0, [Patch(), repaired, *patches])
        assert max(map(differ, together.evaluate(0, [Patch(), repaired, *patches]), wanted)) <= TOLERANCE
        assert max(max(each.divergence) for each in wanted[2:]) > 0.0  # or nothing happened
        further = [patch.extended(repaired.tensors) for patch in patches[1 : len(RATES)]]  # of the first group
        for engine in (alone, together):
            engine.rebase(repaired)
        assert max(map(differ, together.evaluate(0, further), alone.evaluate(0, further))) <= TOLERANCE
        assert together.stacks
        assert any(level.stack for level in together.stacks.values())

    def test_a_patch_sliced_by_its_plan_computes_the_same(
        self, model: FamilyModel, patched_plans: list[tuple[Plan, Patch]]
    ) -> None:
        short = shortened(model)
        x = short.input[:1].double()
        images = OneBlock(x)
        for plan, patch in patched_plans[-2:]:
            config, sliced = prune(short.family, short.config, {**short.state, **patch.tensors}, plan)
            with torch.inference_mode():
                original = short.double(x)
                small = build(short.family, config, sliced).double()(x)
            (found,) = BlockEngine(short.double, images).evaluate(0, [patch])
            assert differ(found, predictions(original, small, images.block(0)[1])) <= TOLERANCE

    def test_logits_after_fewer_time_steps_are_those_of_shorter_runs(self, model: FamilyModel) -> None:
        """Of a pruned model, for every number of time steps; a model of which that is not so is refused by name."""
        long = shortened(model, STEPS)
        config, state = prune(long.family, long.config, long.state, random_plan(long, [*long.groups], 0.3))
        x, pruned = long.input[:1].double(), build(long.family, config, state).double()
        steps = len(pruned.encode(x))
        if noncausal(pruned, tuple(x.shape[-3:]), steps) is not None:
            return  # which `method.candidates` asks before it believes any of them
        found, _ = BlockEngine(pruned, OneBlock(x)).by_step(0)
        assert len(found) == steps
        for count in range(1, steps + 1):
            shorter = build(long.family, config.model_copy(update={"time_steps": count}), state).double()
            with torch.inference_mode():
                wanted = shorter(x[:, :count] if x.dim() == FRAMES else x)
            assert (found[count - 1] - wanted).abs().max() <= TOLERANCE
        assert steps == 1 or not torch.equal(found[0], found[-1])
