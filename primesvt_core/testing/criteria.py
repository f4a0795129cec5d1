"""What every criterion must hold: one finite score a channel, that follows the channel wherever it stands."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from primesvt_core.calibration import Calibration
from primesvt_core.criteria import CRITERIA, Criterion, Scoring
from primesvt_core.criteria._base import scores_of
from primesvt_core.intake.loading import build
from primesvt_core.pruning.groups import positions
from primesvt_core.registry import Need
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import ChannelGroup

HUGE = 1e30
"""Whose square is no float32."""


class Labelled:
    """Images in blocks, with labels."""

    def __init__(self, x: Tensor, labels: Tensor, block: int) -> None:
        self.x, self.labels = torch.split(x, block), torch.split(labels, block)

    def __len__(self) -> int:
        return len(self.x)

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        """Images and labels ``(B,)`` int64."""
        return self.x[index], self.labels[index]


def scoring_of(model: FamilyModel, criterion: Criterion, state: dict[str, Tensor] | None = None) -> Scoring:
    """What a run has at hand for a criterion: the model in double precision, its images in blocks of two.

    Args:
        model: that is scored.
        criterion: gets what it needs, and no more.
        state: other weights.
    """
    weights = model.state if state is None else state
    built = build(model.family, model.config, weights).double()
    labels = torch.arange(len(model.input)) % model.config.num_classes
    images = Labelled(model.input, labels, 2)
    return Scoring(
        state=weights,
        model=built,
        groups=model.groups,
        calibration=Calibration(built, images) if Need.ACTIVATIONS in criterion.needs else None,
        labelled=images if Need.LABELS in criterion.needs else None,
    )


def scores(criterion: Criterion, scoring: Scoring) -> dict[str, Tensor]:
    """``(size,)`` float64 by group."""
    return {group.name: torch.tensor(scores_of("it", criterion, scoring, group)) for group in scoring.groups}


def shuffled(group: ChannelGroup) -> list[int]:
    """Its channels in another order within every part."""
    run = group.size // group.parts
    chance = torch.Generator().manual_seed(1)
    return [part * run + int(at) for part in range(group.parts) for at in torch.randperm(run, generator=chance)]


def moved(state: dict[str, Tensor], group: ChannelGroup) -> dict[str, Tensor]:
    """The same model with the group's channels in the order `shuffled`; no group with a shared slice."""
    found = dict(state)
    for piece in group.slices:
        places = torch.tensor(positions(piece, group, range(group.size)))
        source = torch.tensor(positions(piece, group, shuffled(group)))
        tensor = found[piece.tensor]
        found[piece.tensor] = tensor.index_copy(piece.dim, places, tensor.index_select(piece.dim, source))
    return found


class CriterionSuite:
    """Derive from it, with the key of the criterion."""

    key: ClassVar[str]

    @pytest.fixture
    def criterion(self) -> Criterion:
        """The criterion under test."""
        return CRITERIA.load(self.key)

    @pytest.fixture
    def model(self) -> FamilyModel:
        """The model whose channels are scored."""
        return tiny()

    def test_every_channel_of_every_group_gets_one_finite_score(self, criterion: Criterion, model: FamilyModel) -> None:
        found = scores(criterion, scoring_of(model, criterion))
        assert {name: len(each) for name, each in found.items()} == {group.name: group.size for group in model.groups}
        assert all(len({*each.tolist()}) > 1 for each in found.values())

    def test_the_same_model_gets_the_same_scores_and_is_left_alone(
        self, criterion: Criterion, model: FamilyModel
    ) -> None:
        kept = {name: tensor.clone() for name, tensor in model.state.items()}
        scoring = scoring_of(model, criterion)
        first = scores(criterion, scoring)
        for again in (scoring, scoring_of(model, criterion)):
            assert all(torch.equal(each, first[name]) for name, each in scores(criterion, again).items())
        assert all(torch.equal(kept[name], model.state[name]) for name in kept)
        assert not scoring.model.training
        assert all(torch.equal(kept[name], entry.to(kept[name])) for name, entry in scoring.model.state_dict().items())
        assert all(parameter.grad is None for parameter in scoring.model.parameters())
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in scoring.model.modules())

    def test_scores_follow_their_channels(self, criterion: Criterion, model: FamilyModel) -> None:
        state = model.state
        for group in model.groups:
            state = moved(state, group)
        before = scores(criterion, scoring_of(model, criterion))
        after = scores(criterion, scoring_of(model, criterion, state))
        for group in model.groups:
            torch.testing.assert_close(after[group.name], before[group.name][shuffled(group)])

    def test_large_weights_do_not_overflow(self, criterion: Criterion, model: FamilyModel) -> None:
        producers = {producer for group in model.groups for producer in group.producers}
        state = {name: tensor * HUGE if name in producers else tensor for name, tensor in model.state.items()}
        scores(criterion, scoring_of(model, criterion, state))
