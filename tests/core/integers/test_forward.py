"""Integers alone, beside torch on the same integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from primesvt_core.integers import format as fmt
from primesvt_core.integers.forward import Integers, apply, fixed_point
from primesvt_core.layers.neurons import make_neuron

CHANCE = np.random.default_rng(0)
T, B = 4, 2


def neuron(fraction_bits: int = 4, leak_shift: int | None = 1, decay_input: bool = True) -> fmt.Neuron:
    return fmt.Neuron(
        threshold="threshold", fraction_bits=fraction_bits, leak_shift=leak_shift, decay_input=decay_input,
        membrane_bits=32,
    )  # fmt: skip


def fired(
    currents: torch.Tensor, threshold: float, kind: Any = "lif", *, tau: float = 2.0, decays: bool = True
) -> Integers:
    """What spikingjelly's neuron fires in double precision, which is exact on such numbers."""
    found = make_neuron(kind, tau=tau, threshold=threshold, v_reset=0.0, decay_input=decays)
    with torch.no_grad():
        spikes: Integers = found(currents.double()).numpy().astype(np.int64)
    return spikes


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 1, 1, 1), (2, 0, 1, 1), (1, 2, 2, 1), (2, 3, 1, 4), (1, 1, 1, 2)]
)
def test_a_convolution_is_torchs(stride: int, padding: int, dilation: int, groups: int) -> None:
    x, weight = CHANCE.integers(0, 4, (T, B, 4, 9, 7)), CHANCE.integers(-127, 128, (8, 4 // groups, 3, 3))
    bias, threshold = CHANCE.integers(-9, 9, 8) << 4, CHANCE.integers(1, 400, 8)
    layer = fmt.Layer(
        name="conv", input="x", input_kind="integers", input_range=(0, 3), kind="convolution", weight="weight",
        bias="bias", scale="scale", stride=stride, padding=padding, dilation=dilation, groups=groups,
        accumulator_bits=32, neuron=neuron(), output="y",
    )  # fmt: skip
    tensors = {"weight": weight.astype(np.int8), "bias": bias, "threshold": threshold}
    found = apply(layer, tensors, {"x": x})
    sums = nn.functional.conv2d(
        torch.from_numpy(x.reshape(-1, *x.shape[2:])).double(), torch.from_numpy(weight).double(),
        torch.from_numpy(bias / 16), stride, padding, dilation, groups,
    )  # fmt: skip
    currents = sums.view(T, B, *sums.shape[1:]) / torch.from_numpy(threshold / 16).view(-1, 1, 1)
    assert np.issubdtype(found.dtype, np.integer)
    assert np.array_equal(found, fired(currents * 16 * 2.0, 2.0 * 16))
    assert 0 < found.mean() < 1


@pytest.mark.parametrize(
    ("kind", "shift", "decays"),
    [("lif", 1, True), ("lif", 2, True), ("lif", 1, False), ("lif", 3, False), ("if", None, False)],
)
def test_no_shift_of_a_neuron_loses_a_bit(kind: str, shift: int | None, decays: bool) -> None:
    fraction, steps = 3 + (shift or 0) * 6, 6
    q = CHANCE.integers(0, 2, (steps, B, 6, 5))
    k, v = CHANCE.integers(0, 2, (2, steps, B, 6, 5))
    attention = fmt.Attention(
        q="q", k="k", v="v", heads=2, scale=0.125, neuron=neuron(fraction, shift, decays), output="y"
    )
    tensors = {"threshold": np.array([2 << fraction])}
    found = apply(attention, tensors, {"q": q, "k": k, "v": v})
    products = torch.from_numpy(q).double().view(steps, B, 2, 3, 5)
    kk, vv = (torch.from_numpy(each).double().view(steps, B, 2, 3, 5) for each in (k, v))
    currents = (vv @ kk.transpose(3, 4) @ products).view(steps, B, 6, 5) * 0.125
    assert np.array_equal(found, fired(currents, 0.25, kind, tau=2.0 ** (shift or 0), decays=decays))
    assert 0 < found.mean() < 1


def test_maxima_are_torchs() -> None:
    x = CHANCE.integers(-5, 6, (T, B, 3, 7, 8))
    pool = fmt.Pooled(input="x", pool=fmt.Pool(kernel=3, stride=2, padding=1), output="y")
    expected = nn.functional.max_pool2d(torch.from_numpy(x.reshape(-1, 3, 7, 8)).float(), 3, 2, 1).view(T, B, 3, 4, 4)
    assert np.array_equal(apply(pool, {}, {"x": x}), expected.numpy())


@pytest.mark.parametrize("heads", [2, None])
def test_a_mask_passes_what_its_totals_let(heads: int | None) -> None:
    q, k = CHANCE.integers(0, 2, (2, T, B, 4, 6))
    totals = fmt.Totals(input="q", heads=heads, neuron=neuron(leak_shift=None), output="m")
    mask = apply(totals, {"threshold": np.array([3 << 4])}, {"q": q})
    found = apply(fmt.Mask(mask="m", input="k", heads=heads, output="y"), {}, {"m": mask, "k": k})
    sums = torch.from_numpy(q.reshape(T, B, 2, 2, 6).sum(3, keepdims=True) if heads else q.sum(3, keepdims=True))
    by_hand = fired(sums, 3.0, "if") * (k.reshape(T, B, 2, 2, 6) if heads else k)
    assert np.array_equal(found, by_hand.reshape(k.shape))


def test_a_classifier_orders_classes_as_the_mean_does() -> None:
    x = CHANCE.integers(0, 9, (T, B, 5, 3))
    weight, scales, bias = CHANCE.integers(-127, 128, (6, 5)), CHANCE.random(6) + 0.5, CHANCE.normal(size=6)
    unit = scales.max() / (T * 3 << 15)
    tensors = {
        "w": weight.astype(np.int8), "m": np.rint(scales / (unit * T * 3)).astype(np.int64),
        "b": np.rint(bias / unit).astype(np.int64),
    }  # fmt: skip
    head = fmt.Classifier(name="head", input="x", weight="w", multiplier="m", bias="b", scale=unit, output="y")
    logits = x.mean((0, 3)) @ (weight * scales[:, None]).T + bias
    assert np.abs(apply(head, tensors, {"x": x}) * unit - logits).max() < np.abs(logits).max() * 2.0**-14


def test_images_are_rounded_to_the_nearest_number_and_shown_at_every_step() -> None:
    image = fmt.Image(shape=(1, 2, 2), fraction_bits=4, range=(-16, 16), preprocessing={})
    found = fixed_point(np.full((3, 1, 2, 2), 0.3), image, 5)
    assert found.shape == (5, 3, 1, 2, 2)
    assert (found == 5).all()
    assert fixed_point(np.zeros((3, 7, 1, 2, 2)), image, 5).shape == (7, 3, 1, 2, 2)
