"""Token attention (QKFormer, arXiv 2403.16552): keys, at the tokens that enough queries of a head fire at."""

from __future__ import annotations

from torch import Tensor, nn

from primesvt_core.layers.graph import Flow, Multiplies, Signal


def token_attention(flow: Flow, q: Signal, k: Signal, num_heads: int, neuron: nn.Module) -> Signal:
    """``(T, B, C_q, N)`` and ``(T, B, C_k, N)`` spikes to ``(T, B, C_k, N)``; ``neuron`` fires on the queries' sums."""

    def by_head(x: Tensor) -> Tensor:
        return x.unflatten(2, (num_heads, -1))  # type: ignore[no-any-return, no-untyped-call]

    total = flow.apply("total", lambda x: by_head(x).sum(3, keepdim=True), q)
    mask = flow.fire(total, neuron)
    return flow.apply(
        "masked", lambda x, y: (x * by_head(y)).flatten(2, 3), mask, k, multiplies=Multiplies(place=1)
    )  # fmt: skip
