"""A delivered model, measured by itself: its file, what it computes and predicts, and nothing of the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file

from primesvt_core.checkpoints.stored_weights import SCALES
from primesvt_core.costs import Network, macs
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.operations import operations
from primesvt_core.evaluation.splits import open_splits
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.lifetimes import inference_bytes
from primesvt_core.intake.loading import load
from primesvt_core.promise.bounds import drop_upper_bound, paired
from primesvt_core.spec import CompressionSpec


def measured(original: Path, delivered: Path, data: Path, spec: CompressionSpec) -> Mapping[str, float]:
    """What every limit of a budget is of, by its field.

    Args:
        original: the checkpoint.
        delivered: the file.
        data: on which the first was compressed to the second.
        spec: by which.
    """
    before, found = (inspect(path) for path in (original, delivered))
    models = [load(path) for path in (original, delivered)]
    images = open_splits(
        before, data, spec.preprocessing, spec.splits, seed=spec.seed, batch_size=spec.batch_size,
        classes=spec.class_reading,
    )  # fmt: skip
    confirmation = images.blocks(images.splits.confirmation)
    right = [correct(model, confirmation) for model in models]
    bound = drop_upper_bound(paired(*right), spec.confidence) if right[0] != right[1] else 0.0
    unused = found.family.unused(found.config)
    has_frames = images.data.kind == "frames"
    steps = len(images.data.decode(0)) if has_frames else found.config.time_steps
    config = found.config.model_copy(update={"time_steps": steps})
    used = [{name: x for name, x in model.state_dict().items() if name not in unused} for model in models]
    sizes = [sum(x.numel() * before.shapes[name].itemsize for name, x in state.items()) for state in used]
    written = load_file(delivered)
    batches = images.batches(images.splits.search)
    return {
        "max_accuracy_drop": bound,
        "min_accuracy": sum(right[0]) / len(right[0]) - bound,
        "min_memory_saving": 1 - sizes[1] / sizes[0],
        "max_parameter_bytes": sizes[1],
        "max_macs": _macs(found, config),
        "max_inference_bytes": inference_bytes(found.family, config, sizes[1], frames=has_frames).least,
        "max_synaptic_operations": operations(models[1], batches, 0.0).synaptic,
        "max_stored_bytes": sum(x.nbytes for name, x in written.items() if name.removesuffix(SCALES) not in unused),
        "max_time_steps": steps,
    }


def _macs(found: Inspection, config: FamilyConfig) -> int:
    network = Network(
        shapes=found.shapes, groups=found.family.groups(found.config), geometry=geometry(found.family, config),
        unused=found.family.unused(found.config),
    )  # fmt: skip
    return macs.COST.of(network)({})
