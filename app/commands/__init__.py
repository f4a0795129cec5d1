"""The service's commands, one module a noun, each found through the entry-point group ``primesvt.commands``."""

from __future__ import annotations
