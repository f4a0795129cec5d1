"""Ridge refit of whatever reads a pruned group, from the second moments of the original's inputs.

A consumer's weight ``W`` sees the kept inputs ``S`` alone; with their covariance ``C`` it becomes

    W' = W_S + ((C_SS + ridge I)^-1 (C_S: W^T - C_SS W_S^T))^T,    constant = mean(W x) - W' mean(x_S),

so that its currents are, in the mean square, those that it had (GRAIL, arXiv 2602.23795; CORP, arXiv 2602.05243). The
moments are gathered once for all plans; a repair is a function of them alone.
"""

from __future__ import annotations

from torch import Tensor

from primesvt_core.registry import Need
from primesvt_core.repairs._base import Fitting, Repair
from primesvt_core.repairs._refitting import changes, closed_forms, losing, original_sums
from primesvt_core.types import Plan


def fit(fitting: Fitting, plan: Plan) -> dict[str, Tensor]:
    """New weights and constants of the layers that lose columns."""
    layers = losing(fitting, plan)
    return changes(fitting, layers, closed_forms(layers, original_sums(fitting, layers)))


REPAIR = Repair(fit=fit, needs=frozenset({Need.ACTIVATIONS}))
