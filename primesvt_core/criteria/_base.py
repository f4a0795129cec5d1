"""What a criterion is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

Criterion = Callable[[Sequence[Tensor]], Tensor]
"""From every producer's filters of a group's channels, ``(size, fan_in)`` each, to ``(size,)`` scores; larger: keep."""
