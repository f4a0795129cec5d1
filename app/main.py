"""ASGI entry: ``uvicorn --factory app.main:create``."""

from __future__ import annotations

import gc
import os

from fastapi import FastAPI

from app import logs
from app.factory import create_app
from app.hardening import hide_memory
from app.settings import Settings


def create() -> FastAPI:
    """The application of this process's environment; the schema is brought up to date first."""
    hide_memory()
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level, as_json=settings.log_json)
    app = create_app(settings)
    app.state.services.database.migrate_patiently()
    # What is loaded now stays as long as the process: looking through it for garbage, again and again, took a third of
    # the time of every request, and held everybody up for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    return app
