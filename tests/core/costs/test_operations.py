"""Operations of a pruned network from those of the original, and their energy: by formula."""

from __future__ import annotations

import pytest

from primesvt_core.costs import Network
from primesvt_core.costs.operations import Operations, attention, estimate
from primesvt_core.types import ChannelGroup, Geometry, Product, TensorSlice, TensorSpec


def group(name: str, size: int, *slices: TensorSlice) -> ChannelGroup:
    return ChannelGroup(name=name, size=size, width=name, slices=slices, producers=(), silencers=(), consumers=())


NETWORK = Network(
    shapes={
        "fc1": TensorSpec(shape=(30, 10), dtype="float32", itemsize=4),
        "fc2": TensorSpec(shape=(7, 30), dtype="float32", itemsize=4),
    },
    groups=(
        group("stream", 10, TensorSlice(tensor="fc1", dim=1)),
        group("hidden", 30, TensorSlice(tensor="fc1", dim=0), TensorSlice(tensor="fc2", dim=1)),
    ),
    geometry=Geometry(
        positions={"fc1": 1000, "fc2": 1000},
        products=(Product(times=5, groups=("hidden",)), Product(times=3, groups=())),
    ),
)
WHOLE = Operations(by_spikes={"fc1": 60_000.0, "fc2": 2_100.5}, multiplied={"stem": 500.0}, attention=153.0)


def test_layers_compute_in_proportion_to_the_weights_that_are_left() -> None:
    count = estimate(NETWORK, WHOLE)
    assert count({}) == pytest.approx(62_100.5)
    assert count({"hidden": 15}) == pytest.approx(31_050.25)
    assert count({"stream": 4, "hidden": 15}) == pytest.approx(60_000 * 0.4 * 0.5 + 2_100.5 * 0.5)


def test_products_of_values_are_counted_apart() -> None:
    assert [attention(NETWORK)(left) for left in ({}, {"hidden": 10})] == [153, 53]


def test_energy_is_that_of_the_arithmetic() -> None:
    assert (WHOLE.synaptic, WHOLE.multiply_accumulates) == (62_100.5, 500.0)
    assert WHOLE.joules == pytest.approx(4.6e-12 * 500 + 0.9e-12 * (62_100.5 + 153))
