"""What is kept of a weight in each precision, by formulas of its own."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_client.spec_types import StoredPrecision
from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded, is_weight

SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


def read_back(key: str, weight: NDArray[Any]) -> NDArray[np.float32]:
    return PRECISIONS[key].decode(PRECISIONS[key].encode(np.asarray(weight, np.float32)))


def random(*shape: int) -> NDArray[np.float32]:
    spread = 10.0 ** np.arange(-shape[0], shape[0], 2).reshape(-1, *[1] * (len(shape) - 1))
    return (np.random.default_rng(0).normal(size=shape) * spread).astype(np.float32)


def test_a_spec_knows_every_precision() -> None:
    assert set(get_args(StoredPrecision)) == PRECISIONS.keys()


def test_int8_has_the_nearest_of_127_steps_of_its_channel_on_either_side() -> None:
    weight = random(6, 5, 3, 3)
    stored = PRECISIONS["int8"].encode(weight)
    assert stored.values.dtype == np.int8
    assert stored.scales is not None
    assert stored.scales.dtype == np.float32
    for channel, values, scale in zip(weight, stored.values, stored.scales, strict=True):
        assert scale == np.float32(max(abs(float(w)) for w in channel.flat) / 127)
        wanted = [round(float(w) / float(scale)) for w in channel.flat]  # Python rounds ties to even, too
        assert values.flatten().tolist() == wanted
        assert max(map(abs, wanted)) == 127
    again = read_back("int8", weight)
    assert again.dtype == np.float32
    by_hand = [[np.float32(v) * s for v in row.flat] for row, s in zip(stored.values, stored.scales, strict=True)]
    assert np.array_equal(again.reshape(6, -1), np.array(by_hand, np.float32))
    steps = stored.scales.reshape(-1, 1, 1, 1).astype(np.float64)
    assert (np.abs(again.astype(np.float64) - weight) <= 0.5001 * steps).all()


def test_ties_go_to_even_and_signs_are_alike() -> None:
    row = np.array([127, 0.5, 1.5, 2.5, 3.5, 126.5], np.float32)
    stored = PRECISIONS["int8"].encode(np.stack([row, -row]))
    assert stored.values.tolist() == [[127, 0, 2, 2, 4, 126], [-127, 0, -2, -2, -4, -126]]


@pytest.mark.parametrize("value", [0.0, SMALLEST, 60 * SMALLEST, 64 * SMALLEST, 190 * SMALLEST, 3e38])
def test_channels_of_zeros_and_extremes_stay_finite(value: float) -> None:
    weight = np.array([[value, -value, 0.0], [1.0, -1.0, 0.5]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        again = read_back("int8", weight)
    assert np.isfinite(again).all()
    assert np.array_equal(again[:, 0], -again[:, 1])
    assert (np.abs(again[0] - weight[0]) <= max(64 * SMALLEST, value / 200)).all()
    assert again[1].tolist() == pytest.approx([1.0, -1.0, 0.5], abs=1 / 200)
    assert (PRECISIONS["int8"].encode(weight).values >= -127).all()


def test_float16_is_the_nearest_there_is_and_float32_the_weight() -> None:
    weight = random(4, 7)
    assert np.array_equal(read_back("float32", weight), weight)
    half = read_back("float16", weight)
    assert half.dtype == np.float32
    for given, found in zip(weight.flat, half.flat, strict=True):
        neighbours = [np.nextafter(np.float16(found), np.float16(end)) for end in (-np.inf, np.inf)]
        assert all(abs(float(found) - float(given)) <= abs(float(near) - float(given)) for near in neighbours)
    assert PRECISIONS["float16"].largest == 65504.0


@pytest.mark.parametrize("key", [*PRECISIONS])
def test_bytes_are_those_that_are_declared(key: str) -> None:
    precision, weight = PRECISIONS[key], random(4, 3, 2)
    stored = precision.encode(weight)
    scales = 0 if stored.scales is None else stored.scales.nbytes
    assert stored.values.nbytes + scales == weight.size * precision.itemsize + len(weight) * precision.channel_bytes
    assert (stored.values.dtype.name, stored.values.shape) == (precision.dtype, weight.shape)


def test_int8_without_its_scales_is_no_weight() -> None:
    with pytest.raises(ValueError, match="scales"):
        PRECISIONS["int8"].decode(Encoded(np.zeros((1, 1), np.int8)))


@pytest.mark.parametrize(
    ("name", "shape", "found"),
    [
        ("head.weight", (3, 8), True),
        ("stem.0.weight", (4, 1, 3, 3), True),
        ("weight", (3, 8), True),
        ("stem.1.weight", (4,), False),
        ("head.bias", (3,), False),
        ("pos_embed", (1, 4, 8), False),
        ("head.weight.primesvt_scale", (3,), False),
    ],
)
def test_weights_of_layers_are_told_by_name_and_shape(name: str, shape: tuple[int, ...], found: bool) -> None:
    assert is_weight(name, shape) is found
