"""First-order changes of the loss, against the gradients of the BatchNorms' parameters, image by image."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from primesvt_core.criteria import taylor
from primesvt_core.criteria._base import scores_of
from primesvt_core.intake.loading import build
from primesvt_core.pruning.groups import positions
from primesvt_core.testing.criteria import scoring_of
from primesvt_core.testing.models import tiny


def by_hand(group_name: str, images: int) -> list[float]:
    """Silencing multiplies weight and bias of a channel's BatchNorms by 0: to first order the loss loses their sum with
    their gradients."""
    group = next(group for group in tiny().groups if group.name == group_name)
    model = build(tiny().family, tiny().config, tiny().state).double()
    total = torch.zeros(group.size, dtype=torch.float64)
    for image in range(images):
        label = torch.tensor([image % tiny().config.num_classes])
        loss = cross_entropy(model(tiny().input[image : image + 1].double()), label)
        change = torch.zeros(group.size, dtype=torch.float64)
        for piece in group.slices:
            norm, _, entry = piece.tensor.rpartition(".")
            if norm in group.silencers and entry in ("weight", "bias"):
                parameter = model.get_parameter(piece.tensor)
                (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True)
                change += (gradient * parameter).detach()[positions(piece, group, range(group.size))]
        total += change.abs()
    return (total / images).tolist()


@pytest.mark.parametrize("group", [group.name for group in tiny().groups])
def test_changes_are_those_of_silencing_to_first_order(group: str) -> None:
    scoring = scoring_of(tiny(), taylor.CRITERION)
    chosen = next(each for each in tiny().groups if each.name == group)
    found = scores_of("it", taylor.CRITERION, scoring, chosen)
    assert max(found) > 0
    assert found == pytest.approx(by_hand(group, len(tiny().input)), rel=1e-9, abs=1e-15)


def test_no_more_images_are_looked_at_than_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taylor, "IMAGES", 1)  # blocks are of two
    chosen = tiny().groups[-1]
    found = scores_of("it", taylor.CRITERION, scoring_of(tiny(), taylor.CRITERION), chosen)
    assert found == pytest.approx(by_hand(chosen.name, 1), rel=1e-9, abs=1e-15)


def test_frozen_weights_have_gradients_behind_them_all_the_same() -> None:
    scoring, frozen = (scoring_of(tiny(), taylor.CRITERION) for _ in range(2))
    frozen.model.requires_grad_(requires_grad=False)
    chosen = tiny().groups[0]
    wanted = scores_of("it", taylor.CRITERION, scoring, chosen)
    with torch.no_grad():
        assert scores_of("it", taylor.CRITERION, frozen, chosen) == pytest.approx(wanted, rel=1e-9)
