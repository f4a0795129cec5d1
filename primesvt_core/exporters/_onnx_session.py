"""Running ONNX models: in onnxruntime, and in double precision by ONNX's own reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from primesvt_core.exporters._base import Array
from primesvt_core.exporters._comparing import Run
from primesvt_core.exporters._onnx_graph import INPUT


def session(path: Path, *, threads: int = 1, spins: bool = True, profile: Path | None = None) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU.

    Args:
        path: of the model.
        threads: that compute one operator.
        spins: whether threads that have nothing to do wait busily, as onnxruntime lets them.
        profile: prefix of the file to which it writes what every operator took; None for none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if not spins:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; what it remarks on a graph's constants is nobody's concern here
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def running(opened: Any) -> Run:
    """What a session computes."""

    def run(x: Array) -> Array:
        (logits,) = opened.run(None, {INPUT: x})
        return np.asarray(logits)

    return run


def metadata_of(opened: Any) -> Mapping[str, str]:
    """What a session's model says of itself."""
    found: Mapping[str, str] = opened.get_modelmeta().custom_metadata_map
    return found


def by_reference(model: Any) -> Run:
    """What an ``onnx.ModelProto`` computes operator by operator, in its own precision: slow, and in double too.

    onnxruntime has no convolution in double precision.
    """
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)

    def run(x: Array) -> Array:
        (logits,) = evaluator.run(None, {INPUT: x})
        return np.asarray(logits)

    return run
