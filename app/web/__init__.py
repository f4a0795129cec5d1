"""The dashboard: pages rendered on the server, which htmx and ECharts make livelier where they were built."""

from __future__ import annotations

from fastapi import FastAPI

from app.web import job_list, job_page, join, new_job, provider, refusals, sign_in, upload_pages, worker_page
from app.web.rendering import STATIC, CachedFiles


def mount(app: FastAPI) -> None:
    """Add the pages to an application that has its services in its state and answers errors with problems."""
    for pages in (sign_in, provider, join, job_list, job_page, new_job, upload_pages, worker_page):
        app.include_router(pages.router)
    app.mount("/static", CachedFiles(directory=STATIC), name="static")
    refusals.install(app)
