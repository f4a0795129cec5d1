"""What every model is: a forward pass written down as a graph, and a state that is forgotten between calls."""

from __future__ import annotations

from torch import Tensor

from primesvt_core.layers.graph import INPUT, Flow, Graph, Part
from primesvt_core.layers.neurons import reset
from primesvt_core.types import Assumption


class SpikingModel(Part):
    """A spiking network: ``(B, C, H, W)`` images or ``(B, T, C, H, W)`` frames in, ``(B, num_classes)`` logits out.

    A family derives from it and writes the forward pass down in `define`, from what `encode` returns to the logits.
    Images are shown ``time_steps`` times (direct encoding); frames bring their own T. Every call starts from resting
    neurons, so that a second call equals the first.

    Attributes:
        depends_on_batch: whether an image's logits depend on the other images of its batch.
        assumptions: of a loaded model, config fields that its weights do not determine, with their sources; else none.
    """

    depends_on_batch = False
    assumptions: tuple[Assumption, ...] = ()

    def __init__(self, time_steps: int) -> None:
        super().__init__()
        self.time_steps = time_steps
        self._graph: Graph | None = None

    @property
    def graph(self) -> Graph:
        """The forward pass, written down when it is first asked for."""
        if self._graph is None:
            flow = Flow(self)
            self._graph = flow.graph(self.define(flow, INPUT))
        return self._graph

    def __getstate__(self) -> dict[str, object]:
        """A copy writes its own graph down: this one's operations hold this model's modules."""
        return {**self.__dict__, "_graph": None}

    def encode(self, x: Tensor) -> Tensor:
        """Bring images or frames to ``(T, B, C, H, W)``; an image's steps share memory."""
        if x.dim() == 4:
            return x.unsqueeze(0).expand(self.time_steps, *x.shape)
        return x.transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        reset(self)
        logits = self.graph.run(self.encode(x))
        reset(self)
        return logits
