"""Ready models from checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file
from torch import Tensor

from primesvt_core.checkpoints import normalise
from primesvt_core.errors import CheckpointMismatch
from primesvt_core.families._base import FamilyConfig, Value
from primesvt_core.intake.identification import AnyFamily
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import StoredLIF, neurons


def load(path: Path, assumptions: Mapping[str, Value] | None = None, *, container: str | None = None) -> SpikingModel:
    """Load a checkpoint as a ready model; see `primesvt_core.load`."""
    inspection = inspect(path, assumptions, container=container)
    inspection.check_answered()
    with TemporaryDirectory() as folder:
        state = load_state(inspection, Path(folder) / "model.safetensors")
    model = build(inspection.family, inspection.config, state)
    model.assumptions = inspection.assumptions
    return model


def load_state(inspection: Inspection, scratch: Path) -> dict[str, Tensor]:
    """Load a checkpoint's tensors by way of a safetensors file at ``scratch``; nothing of the original is unpickled."""
    normalise(inspection.checkpoint, scratch)
    return load_file(scratch)


def build(family: AnyFamily, config: FamilyConfig, state: Mapping[str, Tensor]) -> SpikingModel:
    """Build a model in eval mode with the given weights, computing in float32.

    Args:
        family: of the model.
        config: of the model.
        state: tensors of every name that the config's model has, in any float dtype.

    Raises:
        CheckpointMismatch: if a neuron's stored threshold is none: it would fire without input, whatever is pruned.
    """
    model = family.build(config)
    model.load_state_dict(dict(state), strict=True)
    for name, neuron in neurons(model):
        if isinstance(neuron, StoredLIF) and neuron.v_threshold <= 0:
            raise CheckpointMismatch(f"the threshold of {name} is {neuron.v_threshold}; it must be above 0")
    return model.eval()
