"""What a run over all time steps tells of shorter ones, and of which networks it tells nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from primesvt_core.intake.loading import build
from primesvt_core.layers.causality import logits_by_step, noncausal, output_node
from primesvt_core.layers.graph import Flow, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif
from primesvt_core.testing.models import tiny

IMAGE, STEPS = (2, 3, 3), 4


class Small(SpikingModel):
    """A neuron, something in between, and the mean over time of what a head makes of it."""

    def __init__(self) -> None:
        super().__init__(STEPS)
        self.conv, self.fires = nn.Conv2d(2, 2, 1), lif()
        self.head = nn.Linear(2, 3)
        self.by_step = nn.Parameter(torch.ones(STEPS, 1, 1, 1, 1))

    def between(self, x: Tensor) -> Tensor:
        return 2 * x

    def define(self, flow: Flow, x: Signal) -> Signal:
        spikes = flow.fire(flow.run(x, self.conv), self.fires)
        between = flow.apply("between", lambda y: self.between(y), spikes)
        return flow.apply("logits", lambda y: self.head(y.flatten(3).mean(3)).mean(0), between, modules=(self.head,))


class Centred(Small):
    """Takes the mean over time, of later steps too, off every one."""

    def between(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Backwards(Small):
    """Begins with the last time step."""

    def between(self, x: Tensor) -> Tensor:
        return x.flip(0)


class Weighted(Small):
    """Has a weight for every time step, as BatchNorms over time have."""

    def between(self, x: Tensor) -> Tensor:
        return x * self.by_step


class Summed(Small):
    """Brings time together before the last operation."""

    def between(self, x: Tensor) -> Tensor:
        return x.sum(0, keepdim=True)


class Brightening(Small):
    """Shows an image at as many brightnesses as there are time steps."""

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) * torch.linspace(0, 1, self.time_steps).view(-1, 1, 1, 1, 1)


def test_a_longer_run_begins_with_the_shorter_ones() -> None:
    torch.manual_seed(0)  # another model may not fire at all
    model = Small().eval()
    assert noncausal(model, IMAGE, STEPS) is None
    x = torch.randn(5, *IMAGE)
    with torch.no_grad():
        found = logits_by_step(model, model.graph.values(model.encode(x), output_node(model).inputs))
        assert found.shape == (STEPS, 5, 3)
        for steps in range(1, STEPS + 1):
            model.fires.reset()  # type: ignore[operator]
            model.time_steps = steps
            assert torch.allclose(found[steps - 1], model(x), atol=1e-6)
    assert not torch.allclose(found[0], found[-1], atol=1e-3)


@pytest.mark.parametrize("kind", [Centred, Backwards, Weighted, Summed])
def test_an_operation_that_looks_ahead_is_named(kind: type[Small]) -> None:
    assert noncausal(kind().eval(), IMAGE, STEPS) == "between computes a time step from later ones"


def test_images_that_are_shown_otherwise_and_batches_that_matter_are_told() -> None:
    assert noncausal(Brightening().eval(), IMAGE, STEPS) == "it brings images into time in a way of its own"
    model = Small().eval()
    model.depends_on_batch = True
    assert "other images of a batch" in str(noncausal(model, IMAGE, STEPS))


def test_a_network_that_never_fires_is_tried_all_the_same() -> None:
    """What reaches an operation says nothing of it where all is silent."""
    model = Centred().eval()
    nn.init.zeros_(model.conv.weight)
    nn.init.constant_(model.conv.bias, -1.0)  # type: ignore[arg-type]
    assert noncausal(model, IMAGE, STEPS) is not None


def test_the_model_is_left_as_it_was() -> None:
    drawn = tiny()
    model = build(drawn.family, drawn.config, drawn.state)
    with torch.no_grad():
        before = model(drawn.input)
        image = (drawn.config.in_channels, drawn.config.image_size, drawn.config.image_size)
        assert noncausal(model, image, 3) is None
        assert torch.equal(model(drawn.input), before)
