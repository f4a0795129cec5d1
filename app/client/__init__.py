"""The Python client: uploads, jobs and downloads, over a PrimeSVT server's HTTP API."""

from __future__ import annotations

from app.client.client import Client
from app.client.errors import ClientError, Damaged, ServerError, Unreachable, Unusable

__all__ = ["Client", "ClientError", "Damaged", "ServerError", "Unreachable", "Unusable"]
