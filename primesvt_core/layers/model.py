"""What every model is: an ordered list of stages, and a state that is forgotten between calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from primesvt_core.layers.neurons import reset
from primesvt_core.types import Assumption


@dataclass(frozen=True)
class Stage:
    """One step of the forward pass.

    Attributes:
        name: for people.
        run: from the previous stage's tensor to the next one's.
        modules: prefixes of the state dict entries that this stage uses.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    modules: tuple[str, ...]

    def uses(self, tensor: str) -> bool:
        """Whether the state dict entry ``tensor`` belongs to this stage."""
        return any(tensor.startswith(f"{module}.") or tensor == module for module in self.modules)


class SpikingModel(nn.Module):
    """A spiking network: ``(B, C, H, W)`` images or ``(B, T, C, H, W)`` frames in, ``(B, num_classes)`` logits out.

    Images are shown ``time_steps`` times (direct encoding); frames bring their own T. Every call starts from resting
    neurons, so that a second call equals the first.

    Attributes:
        assumptions: of a loaded model, config fields that its weights do not determine, with their sources; else none.
    """

    assumptions: tuple[Assumption, ...] = ()

    def __init__(self, time_steps: int) -> None:
        super().__init__()
        self.time_steps = time_steps

    def stages(self) -> tuple[Stage, ...]:
        """The forward pass, in order; the first stage takes what `encode` returns, the last one returns logits."""
        raise NotImplementedError

    def encode(self, x: Tensor) -> Tensor:
        """Bring images or frames to ``(T, B, C, H, W)``; an image's steps share memory."""
        if x.dim() == 4:
            return x.unsqueeze(0).expand(self.time_steps, *x.shape)
        return x.transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        reset(self)
        x = self.encode(x)
        for stage in self.stages():
            x = stage.run(x)
        reset(self)
        return x
