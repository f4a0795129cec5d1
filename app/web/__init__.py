"""The dashboard: pages rendered on the server, which htmx and ECharts enhance where their scripts were built."""

from __future__ import annotations

from fastapi import FastAPI

from app.web import (
    account,
    compare_page,
    documents,
    error_pages,
    job_actions,
    job_list,
    job_notes,
    job_page,
    join,
    new_job,
    provider,
    results,
    sign_in,
    team,
    upload_pages,
    worker_page,
)
from app.web.rendering import STATIC, CachedFiles

PAGES = (
    sign_in, provider, join, account, job_list, compare_page, job_page, job_actions, job_notes, new_job, results,
    upload_pages, worker_page,
)  # fmt: skip


def mount(app: FastAPI) -> None:
    """Add the pages to an application that has its services in its state and its error handlers installed."""
    for router in (*(pages.router for pages in PAGES), *team.ROUTERS):
        app.include_router(router)
    app.mount("/static", CachedFiles(directory=STATIC), name="static")
    app.mount("/docs", documents.DocumentFiles(), name="documents")
    error_pages.install(app)
