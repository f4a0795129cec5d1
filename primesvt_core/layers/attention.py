"""Spiking self-attention (Spikformer, arXiv 2209.15425): no softmax, spikes in, integers out."""

from __future__ import annotations

from torch import Tensor


def spiking_self_attention(q: Tensor, k: Tensor, v: Tensor, *, num_heads: int, scale: float) -> Tensor:
    """``q (k^T v) * scale`` for every head.

    Queries and keys may have another width than values, as they do after pruning; heads are contiguous runs of
    channels. Spikes make every product an exact integer, so the order of the products does not change the result.

    Args:
        q: ``(T, B, C_qk, N)`` spikes.
        k: ``(T, B, C_qk, N)`` spikes.
        v: ``(T, B, C_v, N)`` spikes.
        num_heads: divides both widths.
        scale: constant of the public code, whatever the head's width.

    Returns:
        ``(T, B, C_v, N)``.
    """
    T, B, _, N = q.shape
    q, k, v = (x.reshape(T * B * num_heads, -1, N) for x in (q, k, v))
    values_by_keys = v @ k.transpose(1, 2)
    return ((values_by_keys @ q) * scale).view(T, B, -1, N)
