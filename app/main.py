"""ASGI entry: ``uvicorn --factory app.main:create``."""

from __future__ import annotations

import gc
import logging
import os

from fastapi import FastAPI

from app import logs
from app.factory import create_app
from app.hardening import hide_memory
from app.services import Services
from app.settings import Settings, private_umask, refuse_shared_folders

log = logging.getLogger(__name__)


def create() -> FastAPI:
    """The application of this process's environment; the schema is brought up to date first."""
    hide_memory()
    settings = Settings.from_env(os.environ)
    private_umask()
    refuse_shared_folders(settings)
    logs.configure(settings.log_level, as_json=settings.log_json)
    app = create_app(settings)
    app.state.services.database.migrate_patiently()
    _mark(app.state.services)
    # What is loaded now stays as long as the process: looking through it for garbage, again and again, took a third of
    # the time of every request, and held everybody up for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    return app


def _mark(services: Services) -> None:
    try:
        services.marker.place()
    except OSError as error:  # /readyz says the same; the next start marks it
        log.warning("storage_not_marked", extra={"reason": str(error)})
