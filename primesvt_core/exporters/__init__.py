"""Exporters: files for other software, one format a file, whose name is its key."""

from primesvt_core.exporters._base import EXPORTERS as EXPORTERS
from primesvt_core.exporters._base import Exporter as Exporter
