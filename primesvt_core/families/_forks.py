"""Arguments by which forks of a family's public code keep its tensors and change what is computed.

The public scripts of the families that use them have no such arguments: their values are constants there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from primesvt_core.families._step import is_step

ImpliedArgs = Mapping[str, Callable[[Any], str | float | None]]

TAU = 2.0


def leaky_args(tau: Callable[[Any], float | None] = lambda _: TAU) -> ImpliedArgs:
    """Of leaky neurons, whose time constant and threshold forks make arguments; STEP's thresholds are stored.

    Args:
        tau: the time constant of a config; None where it is trained.
    """

    def threshold(config: Any) -> float | None:
        return None if is_step(config.variant) else 1.0

    return {"tau": tau, "v_threshold": threshold, "threshold": threshold}


FUSION: ImpliedArgs = {"fusion": lambda _: "add"}
"""XOR-Spikformer (github.com/HGYou/XOR-Spikformer at commit f63d072a): how residuals are joined."""


def statten_args(is_dvs: Callable[[Any], bool]) -> ImpliedArgs:
    """STAtten (arXiv 2409.19764): attention over chunks of time steps, with the tensors of Spike-driven Transformer.

    Its other choice, SDT, is Spike-driven Transformer but for events, whose queries it dilates, too.

    Args:
        is_dvs: whether spikes are dilated.
    """
    return {"attention_mode": lambda config: "none" if is_dvs(config) else "SDT"}
