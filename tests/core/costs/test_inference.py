"""Peak memory from lifetimes, on networks that are lists of numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from primesvt_core.costs import Network
from primesvt_core.costs.inference import InferenceBytes, Lifetimes, Moment, Schedule, of
from primesvt_core.types import ChannelGroup, TensorSlice, TensorSpec

SIZES = {"stream": 8, "hidden": 32, "qk": 16}


def group(name: str, *slices: TensorSlice, parts: int = 1) -> ChannelGroup:
    return ChannelGroup(
        name=name, size=SIZES[name], width=name, slices=slices, producers=(), silencers=(), consumers=(), parts=parts
    )


def columns(tensor: str, dim: int, offset: int = 0) -> TensorSlice:
    return TensorSlice(tensor=tensor, dim=dim, offset=offset)


NETWORK = Network(
    shapes={
        "fc1": TensorSpec(shape=(32, 8), dtype="float32", itemsize=4),
        "fc2": TensorSpec(shape=(8, 32), dtype="float32", itemsize=4),
        "qkv": TensorSpec(shape=(16 + 16 + 10, 8), dtype="float16", itemsize=2),
    },
    groups=(
        group("stream", columns("fc1", 1), columns("fc2", 0), columns("qkv", 1)),
        group("hidden", columns("fc1", 0), columns("fc2", 1)),
        group("qk", columns("qkv", 0), columns("qkv", 0, 16), parts=2),
    ),
)
IMAGE = 300


def record(sizes: Mapping[str, int], schedule: Schedule) -> Lifetimes:
    """An image, a stream, then hidden channels, rows of all three projections, a product in each of two heads."""
    steps = 3 if schedule == "layerwise" else 1
    stream, hidden, qk = (4 * steps * 5 * sizes[name] for name in SIZES)
    rows, product = 4 * steps * 5 * (2 * sizes["qk"] + 10), 4 * steps * sizes["qk"] * sizes["stream"] // 2
    moments = [{0}, {0, 1}, {0, 1, 2}, {0, 1, 3}, {0, 1, 4}]
    membranes = (5,) if schedule == "stepwise" else ()
    return Lifetimes(
        sizes=(IMAGE, stream, hidden, rows, product, qk),
        moments=tuple(Moment(tensors=frozenset(alive), membranes=membranes) for alive in moments),
    )


def expected(sizes: Mapping[str, int], schedule: Schedule) -> int:
    stream, hidden, qk = (sizes[name] for name in SIZES)
    steps, membranes = (3, 0) if schedule == "layerwise" else (1, 20 * qk)
    beside = max(20 * hidden, 20 * (2 * qk + 10), 2 * qk * stream)
    return 4 * 2 * stream * hidden + 2 * (2 * qk + 10) * stream + IMAGE + steps * (20 * stream + beside) + membranes


@pytest.mark.parametrize(
    "left",
    [{}, {"hidden": 1}, {"hidden": 1, "qk": 2}, {"stream": 1, "hidden": 5}, {"stream": 4, "hidden": 17, "qk": 16}],
)
def test_the_worst_moment_is_another_one_at_other_widths(left: dict[str, int]) -> None:
    found = of(NETWORK, record).at(left)
    sizes = {**SIZES, **left}
    assert found == InferenceBytes(layerwise=expected(sizes, "layerwise"), stepwise=expected(sizes, "stepwise"))


def test_the_better_schedule_is_what_a_limit_binds() -> None:
    assert [InferenceBytes(layerwise=5, stepwise=4).better, InferenceBytes(layerwise=5, stepwise=4).least] == [
        "stepwise", 4,
    ]  # fmt: skip
    assert [InferenceBytes(layerwise=4, stepwise=4).better, InferenceBytes(layerwise=3, stepwise=4).least] == [
        "layerwise", 3,
    ]  # fmt: skip


def test_a_size_that_follows_from_no_widths_is_refused() -> None:
    def odd(sizes: Mapping[str, int], schedule: Schedule) -> Lifetimes:
        found = record(sizes, schedule)
        return Lifetimes(sizes=(*found.sizes[:-1], sizes["qk"] ** 3), moments=found.moments)

    with pytest.raises(ValueError, match="follows from no widths"):
        of(NETWORK, odd)


def test_lifetimes_that_depend_on_the_widths_are_refused() -> None:
    def odd(sizes: Mapping[str, int], schedule: Schedule) -> Lifetimes:
        found = record(sizes, schedule)
        return Lifetimes(sizes=found.sizes, moments=found.moments[: 3 + sizes["qk"] % 3])

    with pytest.raises(ValueError, match="depends on the widths"):
        of(NETWORK, odd)
