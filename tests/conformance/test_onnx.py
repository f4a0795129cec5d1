"""Every family in onnxruntime: the model's logits, and the public code's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from primesvt_core.exporters._comparing import EXACT, TOLERANCE, LogitsCheck
from primesvt_core.exporters._onnx_session import running, session
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from tests.support.exports import exported
from tests.support.goldens import alike
from tests.support.references import Reference, references, without_times
from tests.support.thorough import IS_THOROUGH

RATE = 0.5
MOST_BYTES, GRAPH_BYTES = 1.15, 400_000
"""Of the file: times the parameter bytes, and of a graph of T unrolled steps, which outweighs golden weights."""

QUICK = (("sj_spikformer", RATE),)
"""Tracing takes seconds of every model."""


def cases() -> list[tuple[Reference, float]]:
    """References with the rate at which they are pruned: a quick few, or all but for time steps, and of every family
    one as it is.
    """
    if not IS_THOROUGH:
        return [(references(family)[0], rate) for family, rate in QUICK]
    every = without_times()
    originals = {reference.family: reference for reference in reversed(every)}
    return [*((reference, 0.0) for reference in originals.values()), *((reference, RATE) for reference in every)]


@pytest.mark.parametrize(("reference", "rate"), cases(), ids=lambda value: getattr(value, "name", value))
def test_onnxruntime_computes_what_the_model_does(reference: Reference, rate: float, tmp_path: Path) -> None:
    golden = reference.load()
    check = exported("onnx", golden, tmp_path / "model.onnx", rate=rate)
    assert isinstance(check, LogitsCheck)
    assert check.images == len(golden.input)
    if check.max_difference > TOLERANCE:  # a rounding flips a spike: double precision decides
        assert check.double_difference is not None
        assert check.double_difference <= EXACT
    else:
        assert (check.different, check.otherwise) == (0, 0)
    model = tmp_path / "source.safetensors"
    bytes_ = inspect(model).facts().parameter_bytes
    assert bytes_ is not None
    assert (tmp_path / "model.onnx").stat().st_size <= MOST_BYTES * bytes_ + GRAPH_BYTES
    _compare(tmp_path / "model.onnx", model, golden.input, check)
    if not rate:
        logits = torch.from_numpy(running(session(tmp_path / "model.onnx"))(golden.input.numpy()))
        assert alike(logits, golden.logits("logits_batch1"))


def _compare(file: Path, model: Path, x: torch.Tensor, check: LogitsCheck) -> None:
    """Twice in a row, and every image alone, as two threads compute it."""
    run = running(session(file, threads=2))
    with torch.inference_mode():
        wanted: NDArray[np.float32] = load(model)(x).numpy()
    first, second = run(x.numpy()), run(x.numpy())
    assert np.array_equal(first, second)
    alone = np.concatenate([run(image.unsqueeze(0).numpy()) for image in x])
    if check.different == 0:
        assert np.abs(first - wanted).max() <= TOLERANCE
        assert np.abs(alone - wanted).max() <= TOLERANCE
        assert (first.argmax(1) == wanted.argmax(1)).all()
