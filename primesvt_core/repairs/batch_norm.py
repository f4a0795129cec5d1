"""Statistics of BatchNorms, estimated again on the pruned network; no label is used and no weight changes.

In forward order: what a BatchNorm sees has gone through those that were estimated before.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.pruning.patches import silencing
from primesvt_core.registry import Need
from primesvt_core.repairs._base import Fitting, Repair
from primesvt_core.repairs._following import follow
from primesvt_core.types import Plan


def fit(fitting: Fitting, plan: Plan) -> dict[str, Tensor]:
    """Running means and variances of all BatchNorms that see something else than in the original."""
    patch = silencing(fitting.groups, plan)
    statistics = _Statistics()

    def settle(norm: str) -> dict[str, Tensor]:
        gone = list(patch.silenced.get(norm, ()))
        found = {}
        for entry, value in statistics.pop(norm).items():
            before = fitting.state[f"{norm}.{entry}"]
            found[f"{norm}.{entry}"] = value.to(before)
            found[f"{norm}.{entry}"][gone] = before[gone]  # what a channel that is gone would see means nothing
        return found

    return follow(
        fitting.calibration, patch, lambda m: isinstance(m, _BatchNorm), statistics.observe, settle, compares=False
    )


class _Statistics:
    """Sums over what BatchNorms see, by their names: count, total, squares."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[int, Tensor, Tensor]] = {}

    def observe(self, norm: str, _block: int, seen: Tensor, _before: Tensor | None) -> None:
        """Add ``(T * B, C, ...)``."""
        x = seen.movedim(1, 0).flatten(1).double()
        count, total, squares = self.sums.get(norm, (0, torch.zeros_like(x[:, 0]), torch.zeros_like(x[:, 0])))
        self.sums[norm] = count + x.shape[1], total + x.sum(1), squares + x.square().sum(1)

    def pop(self, norm: str) -> dict[str, Tensor]:
        """Mean and variance, the latter as torch estimates it."""
        count, total, squares = self.sums.pop(norm)
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0.0) * count / max(count - 1, 1)
        return {"running_mean": mean, "running_var": variance}


REPAIR = Repair(fit=fit, needs=frozenset({Need.ACTIVATIONS}))
