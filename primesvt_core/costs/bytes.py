"""Parameter memory: bytes of parameters and BatchNorm buffers that the forward pass uses."""

from __future__ import annotations

from primesvt_core.costs._base import Cost, Count, Network, added, elements, polynomial, scaled


def of(network: Network) -> Count:
    """Parameter memory in bytes, as `primesvt_core.pruning.groups.memory_bytes` counts it on the pruned shapes."""
    used = (
        scaled(terms, network.shapes[name].itemsize)
        for name, terms in elements(network).items()
        if name not in network.unused
    )
    return polynomial(added(*used), network.groups)


COST = Cost(of=of)
