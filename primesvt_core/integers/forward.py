"""The forward pass of an integer network with numpy, as a device may do it: no floating-point number is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from primesvt_core.integers import format as fmt

Integers = NDArray[np.int64]
LOWEST = np.iinfo(np.int64).min
"""What lies outside an image counts for in a maximum."""


def fixed_point(images: NDArray[Any], image: fmt.Image, time_steps: int) -> Integers:
    """Images ``(B, C, H, W)`` or frames ``(B, T, C, H, W)`` as what a network takes: ``(T, B, C, H, W)``."""
    found: Integers = np.rint(images * 2.0**image.fraction_bits).astype(np.int64)
    return np.broadcast_to(found, (time_steps, *found.shape)) if images.ndim == 4 else found.swapaxes(0, 1)


def forward(index: fmt.Index, tensors: Mapping[str, NDArray[Any]], images: Integers) -> dict[str, Integers]:
    """All values by name; the last operation's are the logits ``(B, classes)``, in units.

    Args:
        index: of the network.
        tensors: of its file.
        images: ``(T, B, C, H, W)``, from `fixed_point`.
    """
    values: dict[str, Integers] = {"input": images}
    for operation in index.operations:
        values[operation.output] = apply(operation, tensors, values)
    return values


def apply(operation: fmt.Operation, tensors: Mapping[str, NDArray[Any]], values: Mapping[str, Integers]) -> Integers:
    """What one operation gives, from the values that it takes."""
    found: Integers = OPERATIONS[type(operation)](operation, tensors, values)
    return found


def _layer(operation: fmt.Layer, tensors: Mapping[str, NDArray[Any]], values: Mapping[str, Integers]) -> Integers:
    x, weight = values[operation.input], tensors[operation.weight].astype(np.int64)
    T, B = x.shape[:2]
    flat = x.reshape(T * B, *x.shape[2:])
    sums = np.matmul(weight, flat) if operation.kind == "pointwise" else _convolved(operation, weight, flat)
    bias = tensors[operation.bias].reshape(1, -1, *[1] * (sums.ndim - 2))
    currents = (sums << operation.neuron.fraction_bits) + bias
    if operation.pool is not None:
        currents = _pooled(operation.pool, currents)
    return _fired(operation.neuron, tensors, currents.reshape(T, B, *currents.shape[1:]))


def _convolved(operation: fmt.Layer, weight: Integers, x: Integers) -> Integers:
    """``(B, C, H, W) -> (B, C', H', W')``."""
    pad, step, spread, groups = operation.padding, operation.stride, operation.dilation, operation.groups
    rows, columns = (spread * (side - 1) + 1 for side in weight.shape[2:])
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, (rows, columns), (2, 3))[:, :, ::step, ::step, ::spread, ::spread]
    B, _, H, W = windows.shape[:4]
    # One row a position: what all weights of a group's filters meet.
    met = (
        windows.reshape(B, groups, -1, H, W, *weight.shape[2:])
        .transpose(0, 1, 3, 4, 2, 5, 6)
        .reshape(B, groups, H * W, -1)
    )
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    found: Integers = np.matmul(met, filters.transpose(0, 2, 1)).transpose(0, 1, 3, 2).reshape(B, -1, H, W)
    return found


def _pooled(pool: fmt.Pool, x: Integers) -> Integers:
    pad = pool.padding
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=LOWEST)
    windows = sliding_window_view(padded, (pool.kernel, pool.kernel), (2, 3))
    found: Integers = windows[:, :, :: pool.stride, :: pool.stride].max((4, 5))
    return found


def _fired(neuron: fmt.Neuron, tensors: Mapping[str, NDArray[Any]], currents: Integers) -> Integers:
    """``(T, B, C, ...)`` currents to spikes."""
    threshold = tensors[neuron.threshold].reshape(1, -1, *[1] * (currents.ndim - 3))
    v, spikes = np.zeros_like(currents[0]), np.empty_like(currents)
    for t, x in enumerate(currents):
        if neuron.leak_shift is None:
            h = v + x
        elif neuron.decay_input:
            h = v + ((x - v) >> neuron.leak_shift)
        else:
            h = v - (v >> neuron.leak_shift) + x
        spikes[t] = h >= threshold
        v = h * (1 - spikes[t])
    return spikes


def _attention(
    operation: fmt.Attention, tensors: Mapping[str, NDArray[Any]], values: Mapping[str, Integers]
) -> Integers:
    q, k, v = (_by_head(values[name], operation.heads) for name in (operation.q, operation.k, operation.v))
    products = np.matmul(np.matmul(v, k.swapaxes(3, 4)), q)
    T, B, _, _, N = products.shape
    return _fired(operation.neuron, tensors, products.reshape(T, B, -1, N) << operation.neuron.fraction_bits)


def _totals(operation: fmt.Totals, tensors: Mapping[str, NDArray[Any]], values: Mapping[str, Integers]) -> Integers:
    x = values[operation.input]
    sums = x if operation.heads is None else _by_head(x, operation.heads)
    return _fired(operation.neuron, tensors, sums.sum(3, keepdims=True) << operation.neuron.fraction_bits)


def _mask(operation: fmt.Mask, _tensors: object, values: Mapping[str, Integers]) -> Integers:
    mask, x = values[operation.mask], values[operation.input]
    return mask * x if operation.heads is None else (mask * _by_head(x, operation.heads)).reshape(x.shape)


def _by_head(x: Integers, heads: int) -> Integers:
    """``(T, B, C, N) -> (T, B, heads, C / heads, N)``."""
    return x.reshape(*x.shape[:2], heads, -1, x.shape[3])


def _add(operation: fmt.Add, _tensors: object, values: Mapping[str, Integers]) -> Integers:
    first, *others = (values[name] for name in operation.inputs)
    for other in others:
        first = first + other
    return first


def _pool(operation: fmt.Pooled, _tensors: object, values: Mapping[str, Integers]) -> Integers:
    x = values[operation.input]
    pooled = _pooled(operation.pool, x.reshape(-1, *x.shape[2:]))
    return pooled.reshape(*x.shape[:2], *pooled.shape[1:])


def _split(operation: fmt.Split, _tensors: object, values: Mapping[str, Integers]) -> Integers:
    return values[operation.input][:, :, operation.start : operation.start + operation.width]


def _reshaped(operation: fmt.Reshaped, _tensors: object, values: Mapping[str, Integers]) -> Integers:
    x = values[operation.input]
    return x.reshape(*x.shape[:3], *((-1,) if operation.like is None else values[operation.like].shape[3:]))


def _classifier(
    operation: fmt.Classifier, tensors: Mapping[str, NDArray[Any]], values: Mapping[str, Integers]
) -> Integers:
    x = values[operation.input]
    sums = x.reshape(*x.shape[:3], -1).sum((0, 3))
    logits = np.matmul(sums, tensors[operation.weight].astype(np.int64).T)
    found: Integers = logits * tensors[operation.multiplier] + tensors[operation.bias]
    return found


OPERATIONS: Mapping[type[Any], Callable[[Any, Mapping[str, NDArray[Any]], Mapping[str, Integers]], Integers]] = {
    fmt.Layer: _layer, fmt.Attention: _attention, fmt.Totals: _totals, fmt.Mask: _mask, fmt.Add: _add,
    fmt.Pooled: _pool, fmt.Split: _split, fmt.Reshaped: _reshaped, fmt.Classifier: _classifier,
}  # fmt: skip
