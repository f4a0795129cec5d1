"""The domains of one process, put together from its settings."""

from __future__ import annotations

from dataclasses import dataclass

from app.catalog.service import CatalogService
from app.db import Database, connect
from app.jobs.service import JobService
from app.queue import CeleryDoorbell, Doorbell
from app.settings import Settings
from app.storage import BlobStore, open_store
from app.teams.keys import KeyService
from app.teams.service import TeamService
from app.teams.sessions import SessionService
from app.webhooks.service import WebhookService


@dataclass(frozen=True)
class Services:
    """Everything that an endpoint may call."""

    settings: Settings
    database: Database
    store: BlobStore
    doorbell: Doorbell
    teams: TeamService
    keys: KeyService
    sessions: SessionService
    catalog: CatalogService
    jobs: JobService
    webhooks: WebhookService


def assemble(settings: Settings, doorbell: Doorbell | None = None) -> Services:
    """Open database and store; ``doorbell`` replaces Celery's in tests."""
    database, store = connect(settings.database), open_store(settings.storage, settings.s3_endpoint)
    bell = doorbell or CeleryDoorbell(settings.broker_url)
    return Services(
        settings=settings,
        database=database,
        store=store,
        doorbell=bell,
        teams=TeamService(database),
        keys=KeyService(database),
        sessions=SessionService(database),
        catalog=CatalogService(database, store, bell, settings),
        jobs=JobService(database, store, bell),
        webhooks=WebhookService(database, settings),
    )
