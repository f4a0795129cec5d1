"""Criteria: what a channel is worth; one file each, the file's name is its key."""

from primesvt_core.criteria._base import CRITERIA as CRITERIA
from primesvt_core.criteria._base import Criterion as Criterion
from primesvt_core.criteria._scoring import Scoring as Scoring
