"""Ridge refit of whatever reads a pruned group, from the second moments of the original's inputs.

A consumer's weight ``W`` sees the kept inputs ``S`` alone; with their covariance ``C`` it becomes

    W' = W_S + ((C_SS + ridge I)^-1 (C_S: W^T - C_SS W_S^T))^T,    constant = mean(W x) - W' mean(x_S),

so that its currents are, in the mean square, those that it had (GRAIL, arXiv 2602.23795; CORP, arXiv 2602.05243). The
moments are gathered once for all plans; a repair is a function of them alone.
"""

from __future__ import annotations

from primesvt_core.registry import Need
from primesvt_core.repairs._base import Repair
from primesvt_core.repairs._refitting import closed_form

REPAIR = Repair(fit=closed_form, needs=frozenset({Need.ACTIVATIONS}))
