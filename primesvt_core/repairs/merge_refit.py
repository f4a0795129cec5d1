"""The closed form, whose ridge draws towards weights of channels that were folded into one, not towards those kept."""

from __future__ import annotations

from torch import Tensor

from primesvt_core.registry import Need
from primesvt_core.repairs._base import Fitting, Repair
from primesvt_core.repairs._folding import folded
from primesvt_core.repairs._refitting import RIDGE, changes, losing, original_sums
from primesvt_core.repairs._ridge import refit
from primesvt_core.types import Plan


def fit(fitting: Fitting, plan: Plan) -> dict[str, Tensor]:
    """Weights and constants of the layers that lose columns."""
    layers = losing(fitting, plan)
    sums = original_sums(fitting, layers)
    return changes(
        fitting,
        layers,
        {
            module: refit(
                sums[module].left(layer.kept), folded(sums[module], layer)[0], ridge=RIDGE,
                with_constant=layer.has_constant, restores_spread=True,
            )
            for module, layer in layers.items()
        },
    )  # fmt: skip


REPAIR = Repair(fit=fit, needs=frozenset({Need.ACTIVATIONS}))
