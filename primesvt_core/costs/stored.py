"""Storage: bytes that a model's file has for the parameters and BatchNorm buffers that the forward pass uses.

They are those of the parameter memory, but for the weights of layers, which may be stored in another precision, with
what that has for every output channel.
"""

from __future__ import annotations

from primesvt_core.checkpoints.precisions import PRECISIONS, is_weight
from primesvt_core.costs._base import Count, Network, Terms, added, elements, extents, polynomial, scaled


def of(network: Network, precision: str | None) -> Count:
    """Bytes in the file of the model pruned to any channels.

    Args:
        network: unpruned.
        precision: of the stored weights, by its key; None where all tensors keep their own.
    """
    return polynomial(_terms(network, precision), network.groups)


def _terms(network: Network, precision: str | None) -> Terms:
    sizes, widths = elements(network), extents(network)
    used = {name: spec for name, spec in network.shapes.items() if name not in network.unused}
    if precision is None:
        return added(*(scaled(sizes[name], spec.itemsize) for name, spec in used.items()))
    stored = PRECISIONS[precision]
    weights = {name for name, spec in used.items() if is_weight(name, spec.shape)}
    elsewhere = (scaled(sizes[name], spec.itemsize) for name, spec in used.items() if name not in weights)
    values = (scaled(sizes[name], stored.itemsize) for name in weights)
    channels = (scaled(widths[name][0], stored.channel_bytes) for name in weights)
    return added(*elsewhere, *values, *channels)
