"""Folding time into the batch and back."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def flatten_time(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a stateless ``function`` to ``(T, B, ...)`` as to one batch of ``T * B``.

    An image shown at every time step arrives as an expanded view (stride 0 along ``T``); it is computed once.
    """
    T, B = x.shape[:2]
    if T > 1 and x.stride(0) == 0:
        once = function(x[0])
        return once.unsqueeze(0).expand(T, *once.shape)
    y = function(x.flatten(0, 1))
    return y.view(T, B, *y.shape[1:])
