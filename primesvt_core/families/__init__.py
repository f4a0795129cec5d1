"""Families: one SViT architecture per file; the file's name is its key."""

from primesvt_core.families._base import FAMILIES as FAMILIES
from primesvt_core.families._base import Family as Family
from primesvt_core.families._base import FamilyConfig as FamilyConfig
