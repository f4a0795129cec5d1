"""Exporters: files for other software, one format a file, whose name is its key."""

from primesvt_core.exporters._base import EXPORTERS as EXPORTERS
from primesvt_core.exporters._base import Check as Check
from primesvt_core.exporters._base import Export as Export
from primesvt_core.exporters._base import Exporter as Exporter
from primesvt_core.exporters._base import ExportOptions as ExportOptions
from primesvt_core.exporters._base import Images as Images
from primesvt_core.exporters._base import Original as Original
