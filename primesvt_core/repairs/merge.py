"""Channels that fire alike are folded into one: what reads a removed channel reads the kept one that is most like it.

The weight of a removed input is added to that of the kept input with the highest correlation, times the slope of the
one over the other; the mean goes into the constant.
"""

from __future__ import annotations

from torch import Tensor

from primesvt_core.registry import Need
from primesvt_core.repairs._base import Fitting, Repair
from primesvt_core.repairs._folding import folded
from primesvt_core.repairs._refitting import changes, losing, original_sums
from primesvt_core.types import Plan


def fit(fitting: Fitting, plan: Plan) -> dict[str, Tensor]:
    """Weights and constants of the layers that lose columns."""
    layers = losing(fitting, plan)
    sums = original_sums(fitting, layers)
    return changes(fitting, layers, {module: folded(sums[module], layer) for module, layer in layers.items()})


REPAIR = Repair(fit=fit, needs=frozenset({Need.ACTIVATIONS}))
