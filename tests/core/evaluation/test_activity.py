"""Spikes of neurons that stand for several at once."""

from __future__ import annotations

import numpy as np
import pytest

from primesvt_core.data import Batch
from primesvt_core.evaluation.activity import measure
from primesvt_core.intake.loading import build
from primesvt_core.layers.neurons import MultiLevelNeuron, neurons
from tests.support.references import Reference, references

LEVELS = [reference for reference in references() if reference.family == "sdtv3"]


@pytest.mark.parametrize("reference", LEVELS, ids=lambda reference: reference.name)
def test_a_level_counts_as_that_many_spikes(reference: Reference) -> None:
    golden = reference.load()
    frames = golden.input.numpy()
    activity = measure(
        build(golden.family, golden.config, golden.state), [Batch(frames, np.zeros(len(frames), np.int64))]
    )
    sums_of_layers = [tensor for name, tensor in golden.tensors.items() if name.startswith("spikes.")]
    assert activity.spikes_per_image == pytest.approx(sum(int(sums.sum()) for sums in sums_of_layers) / len(frames))
    assert all(0 <= rate <= 1 for rate in activity.firing_rates.values())
    assert any(
        isinstance(module, MultiLevelNeuron) for _, module in neurons(build(golden.family, golden.config, golden.state))
    )
