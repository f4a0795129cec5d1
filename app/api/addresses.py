"""Addresses that people are sent to."""

from __future__ import annotations

from fastapi import Request

from app.services import Services


def public_address(request: Request, found: Services, path: str) -> str:
    """A path of this service as people reach it from elsewhere."""
    base = found.settings.public_url or str(request.base_url)
    return base.rstrip("/") + path
