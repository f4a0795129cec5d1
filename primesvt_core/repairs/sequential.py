"""Refit of every layer behind the first change, in forward order, on what the pruned network gives it.

The target is the original's ``W x``, the current at the neuron; what a layer sees comes from layers that were refitted
before. So what no weight can make up for where it is lost (queries and keys) is made up for by what follows. It starts
from the closed form and is drawn to it by a ridge; rows are stretched to the spread that their currents had, without
which least squares are worse than the closed form (they shrink what they cannot predict below the threshold).
"""

from __future__ import annotations

from torch import Tensor

from primesvt_core.pruning.consumers import reading
from primesvt_core.pruning.patches import silencing
from primesvt_core.registry import Need
from primesvt_core.repairs._base import Fitting, Repair
from primesvt_core.repairs._following import follow
from primesvt_core.repairs._refitting import Refitted, closed_forms, is_layer, layer_of, losing, original_sums
from primesvt_core.repairs._ridge import Sums, refit, sums_over
from primesvt_core.types import Plan

RIDGE = 0.03

LEAST_ROWS = 1 << 16
"""Of a layer's inputs, over all its convolution groups together; more than a closed form needs, since what every layer
still gets wrong adds up along the network."""


def fit(fitting: Fitting, plan: Plan) -> dict[str, Tensor]:
    """New weights and constants of all layers that see something else than in the original."""
    refits = _Refits(fitting, plan)
    return follow(
        fitting.calibration, silencing(fitting.groups, plan), is_layer, refits.observe, refits.settle, compares=True
    )


class _Refits:
    """Sums of the layers of a step, and their refits."""

    def __init__(self, fitting: Fitting, plan: Plan) -> None:
        self.fitting = fitting
        self.losing = losing(fitting, plan)
        self.closed = closed_forms(self.losing, original_sums(fitting, self.losing))
        self.layers: dict[str, Refitted] = {}
        self.sums: dict[str, Sums] = {}

    def observe(self, module: str, block: int, seen: Tensor, before: Tensor | None) -> None:
        """Add what a layer sees on one block, and what the original computes there."""
        assert before is not None  # noqa: S101  # asked for
        layer = self._layer(module)
        calibration, least = self.fitting.calibration, LEAST_ROWS // layer.reading.groups
        found, wanted = (calibration.sampling(module, block, least=least)(x) for x in (seen, before))
        left = found.gather(2, layer.kept.unsqueeze(1).expand(-1, found.shape[1], -1))
        sums = sums_over(left, wanted @ layer.filters.to(wanted))
        self.sums[module] = self.sums[module] + sums if module in self.sums else sums

    def settle(self, module: str) -> dict[str, Tensor]:
        """The new tensors of a layer."""
        layer = self._layer(module)
        start = self.closed[module][0] if module in self.closed else layer.filters
        filters, constants = refit(
            self.sums.pop(module), start, ridge=RIDGE, with_constant=layer.has_constant, restores_spread=True
        )
        return layer.tensors(self.fitting.state, filters, constants)

    def _layer(self, module: str) -> Refitted:
        if module not in self.layers:
            known = self.losing.get(module)
            self.layers[module] = known or layer_of(self.fitting, reading(module, self.fitting.model))
        return self.layers[module]


REPAIR = Repair(fit=fit, needs=frozenset({Need.ACTIVATIONS}), while_searching="local")
