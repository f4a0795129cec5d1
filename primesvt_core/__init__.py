"""PrimeSVT: automated, memory-aware structured pruning of Spiking Vision Transformers (arXiv 2606.03428)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from primesvt_client.version import __version__

if TYPE_CHECKING:
    from torch import nn

__all__ = ["__version__", "load"]


def load(path: str | Path, *, container: str | None = None, **assumptions: bool | int | float | str) -> nn.Module:
    """A ready model from a pruned or an original checkpoint.

    Args:
        path: in any format that PrimeSVT reads; nothing of it is run.
        container: which weights of a file that has several: ``state_dict`` and ``state_dict_ema``, ``model`` and
            ``model_ema`` ...; as they were trained, not their moving average, unless given.
        assumptions: config fields that weights do not determine: ``time_steps``, ``num_heads``, ``image_size`` ...

    Returns:
        A module in eval mode: ``(B, C, H, W)`` or ``(B, T, C, H, W)`` float tensors in, ``(B, num_classes)`` logits
        out. It starts from resting neurons at every call. Its ``assumptions`` are the config fields that the weights do
        not determine, each with its source: the caller, the checkpoint or the family's default.

    Raises:
        CheckpointError: if the file is refused, of no known family, or does not fit its family.
        SpecError: if an assumption is unknown or does not fit.
    """
    # By name, so that importing this package does not load torch.
    model: nn.Module = import_module("primesvt_core.intake.loading").load(Path(path), assumptions, container=container)
    return model
