"""What determines the cells of a run, apart from what the run is asked for: its budget, policy, rates and groups.

Cells are named after the channels that a candidate keeps, after its repair and its fine-tuning, so that these need not
be the same either.
"""

from __future__ import annotations

from pydantic import JsonValue

from primesvt_core import __version__
from primesvt_core.engines.kernels import available
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.judging import of_metric


def cell_inputs(candidates: Candidates) -> dict[str, JsonValue]:
    """Everything that a cell depends on beside its name: two runs that agree in it may share their cells."""
    inspection, images, spec = candidates.inspection, candidates.images, candidates.spec
    # A key of its own, so that cells of runs without the limit are those of runs before there was one.
    shorter = {"time steps": candidates.time_steps.candidates} if candidates.time_steps.is_shortened else {}
    promise = {"kind of promise": "disagreement"} if candidates.by_disagreement else {}
    return {
        **shorter,
        **promise,
        **of_metric(images, candidates.config.num_classes),
        "checkpoint": inspection.checkpoint.sha256,
        "container": spec.container,
        "config": inspection.config.model_dump(mode="json"),
        "data set": images.data.fingerprint(),
        "preprocessing": images.preprocessing.model_dump(mode="json"),
        "calibration images": [*candidates.calibration_source],
        "splits": images.sizes.model_dump(mode="json"),
        "seed": images.seed,
        "batch size": images.batch_size,
        "device": candidates.device.type,
        "kernels": available(),
        "version of PrimeSVT": __version__,
    }
