"""URLs of this service as people outside reach it."""

from __future__ import annotations

from fastapi import Request

from app.services import Services


def public_url(request: Request, services: Services, path: str) -> str:
    """The public URL of a path of this service."""
    base = services.settings.public_url or str(request.base_url)
    return base.rstrip("/") + path
