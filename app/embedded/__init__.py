"""The whole service on one machine, with nothing installed beside it: ``primesvt serve``."""

from __future__ import annotations

from app.embedded.server import EmbeddedError, Place, Running, running

__all__ = ["EmbeddedError", "Place", "Running", "running"]
