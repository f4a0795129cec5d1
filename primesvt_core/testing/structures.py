"""Groups that are alike, of which one stands for all."""

from __future__ import annotations

import re
from collections import defaultdict

from primesvt_core.testing.models import FamilyModel
from primesvt_core.types import ChannelGroup


def structure(group: ChannelGroup) -> object:
    """What of a group is alike in every block: which dimensions of which tensors lie how in which tensors."""
    slices = {
        (re.sub(r"\d+", "#", piece.tensor), piece.dim, piece.stride is None, piece.offset == 0, piece.shared)
        for piece in group.slices
    }
    return frozenset(slices), group.parts > 1, group.scope


def structures(model: FamilyModel) -> list[list[ChannelGroup]]:
    """Its groups, those of the same structure together."""
    alike: dict[object, list[ChannelGroup]] = defaultdict(list)
    for group in model.groups:
        alike[structure(group)].append(group)
    return [*alike.values()]
