"""Values ``(T, B, C, ...)`` without channels that are zero, and operations between such values.

Channels lie last in memory, as everywhere in the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from primesvt_core.engines.folding import AsItIs, Step, mixes_channels
from primesvt_core.engines.outlines import Silence, keeps_silence


def fewer(x: Tensor, without: Silence, gone: Silence) -> Tensor:
    """A value that has no channels ``without``, without those of ``gone``, which are at least as many."""
    if gone == without:
        return x
    places = _places(x.shape[2] + len(without), without, gone, x.device)
    return x.movedim(2, -1).index_select(-1, places).movedim(-1, 2)


def whole(x: Tensor, without: Silence) -> Tensor:
    """A value with zeros in the places of the channels that it does not have."""
    if not without:
        return x
    size = x.shape[2] + len(without)
    found = x.new_zeros((*x.shape[:2], *x.shape[3:], size))
    return found.index_copy_(-1, _left(size, without, x.device), x.movedim(2, -1)).movedim(-1, 2)


def is_even(without: Silence, x: Tensor, parts: int) -> bool:
    """Whether each of the equal parts that a value's channels form misses as many of them."""
    if not without:
        return True
    run = (x.shape[2] + len(without)) // parts
    missing = [sum(channel // run == part for channel in without) for part in range(parts)]
    return len({*missing}) == 1


def between(steps: Sequence[Step], before: Silence, after: Silence) -> list[Step]:
    """The same steps, from a value that has no channels ``before`` to one that has none of ``after``.

    Where a step is no sum over all channels, the value is made whole before it, or its channels are left out after it.
    """
    found = [*steps]
    layers = [at for at, step in enumerate(found) if not (isinstance(step, AsItIs) and keeps_silence(step.module))]
    if not layers:  # poolings alone: both are the same
        return found
    first, last = layers[0], layers[-1]
    if before:
        found[first] = _from_fewer(found[first], before)
    if after:
        found[last] = _to_fewer(found[last], after)
    return found


def _from_fewer(step: Step, before: Silence) -> Step:
    if mixes_channels(step):
        return step.between(_left(step.weight.shape[1], before, step.weight.device), None)
    return lambda x: step(whole(x, before))


def _to_fewer(step: Step, after: Silence) -> Step:
    if mixes_channels(step):
        return step.between(None, _left(step.weight.shape[0], after, step.weight.device))
    return lambda x: fewer(step(x), frozenset(), after)


def _left(size: int, without: Silence, device: torch.device) -> Tensor:
    """Channels of ``size`` that a value has."""
    return _places(size, frozenset(), without, device)


@lru_cache(maxsize=4096)
def _places(size: int, without: Silence, gone: Silence, device: torch.device) -> Tensor:
    """Where a value that has no channels ``without`` has those that are not gone.

    They are remembered: an operation is computed for every block, and a GPU would wait for every copy of them.
    """
    left = [channel for channel in range(size) if channel not in without]
    places = [place for place, channel in enumerate(left) if channel not in gone]
    with torch.inference_mode(False):  # for whoever asks next
        return torch.tensor(places, device=device)
