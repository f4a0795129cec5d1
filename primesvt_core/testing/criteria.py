"""What every criterion must hold: one finite score a channel, that follows the channel wherever it stands."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from primesvt_core.criteria import CRITERIA, Criterion
from primesvt_core.pruning.surgery import filters
from primesvt_core.testing.models import tiny

SIZE = 12


def producers(seed: int = 0) -> list[Tensor]:
    """Filters of three layers that produce the same channels, ``(SIZE, fan_in)`` each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SIZE, fan_in, generator=generator) for fan_in in (9, 4, 30)]


class CriterionSuite:
    """Derive from it, with the key of the criterion."""

    key: ClassVar[str]

    @pytest.fixture
    def criterion(self) -> Criterion:
        """The criterion under test."""
        return CRITERIA.load(self.key)

    def test_every_channel_gets_one_finite_score(self, criterion: Criterion) -> None:
        scores = criterion.score(producers())
        assert scores.shape == (SIZE,)
        assert scores.is_floating_point()
        assert torch.isfinite(scores).all()
        assert len(set(scores.tolist())) == SIZE

    def test_scores_follow_their_channels(self, criterion: Criterion) -> None:
        order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(1))
        moved = criterion.score([f[order] for f in producers()])
        torch.testing.assert_close(moved, criterion.score(producers())[order])

    def test_the_same_filters_get_the_same_scores_and_are_left_alone(self, criterion: Criterion) -> None:
        given, kept = producers(), producers()
        first = criterion.score(given)
        assert torch.equal(criterion.score(given), first)
        assert all(torch.equal(a, b) for a, b in zip(given, kept, strict=True))

    def test_large_weights_do_not_overflow(self, criterion: Criterion) -> None:
        assert torch.isfinite(criterion.score([torch.full((SIZE, 5), 1e30)])).all()

    def test_every_group_of_a_model_is_scored(self, criterion: Criterion) -> None:
        model = tiny()
        for group in model.groups:
            assert criterion.score(filters(group, model.state)).shape == (group.size,)
