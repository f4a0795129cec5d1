"""The whole service on one machine, with nothing installed beside it: ``primesvt serve``."""

from __future__ import annotations

from app.embedded.folder_lock import EmbeddedError, address_of
from app.embedded.server import Place, Running, running

__all__ = ["EmbeddedError", "Place", "Running", "address_of", "running"]
