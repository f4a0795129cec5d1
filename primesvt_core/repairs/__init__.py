"""Repairs: weights of a pruned model that make up for the channels that are gone; one file each."""

from primesvt_core.repairs._base import REPAIRS as REPAIRS
from primesvt_core.repairs._base import Fitting as Fitting
from primesvt_core.repairs._base import Repair as Repair
