"""Costs: numbers that pruning lowers, from shapes alone; one file each. Free of torch."""

from primesvt_core.costs._base import Cost as Cost
from primesvt_core.costs._base import Count as Count
from primesvt_core.costs._base import Network as Network
from primesvt_core.costs._base import Sizes as Sizes
from primesvt_core.costs._base import polynomial as polynomial
