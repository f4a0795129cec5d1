"""The domains of one process, put together from its settings."""

from __future__ import annotations

from dataclasses import dataclass

from app.catalog.service import CatalogService
from app.db import Database, connect
from app.jobs.choices import JobChoices
from app.jobs.comparing import JobComparison
from app.jobs.datasets import DatasetService
from app.jobs.listing import JobLists
from app.jobs.results import ResultService
from app.jobs.service import JobService
from app.jobs.upkeep import JobUpkeep
from app.jobs.uses import UploadUses
from app.preflight import PreflightService
from app.queue import CeleryNotifier, Notifier
from app.settings import Settings
from app.storage import BlobStore, StorageMarker, store_of
from app.teams.audit import AuditLog
from app.teams.invitations import InvitationService
from app.teams.keys import KeyService
from app.teams.limits import RateLimiter
from app.teams.members import MemberService
from app.teams.oidc import Provider
from app.teams.people import PeopleService
from app.teams.quotas import server_quotas
from app.teams.service import TeamService
from app.teams.sessions import SessionService
from app.usage.quotas import QuotaAdmission, QuotaService
from app.webhooks.service import WebhookService
from app.workers.estimates import Estimates
from app.workers.service import WorkerService


@dataclass(frozen=True)
class Services:
    """Everything that an endpoint may call."""

    settings: Settings
    database: Database
    store: BlobStore
    marker: StorageMarker
    notifier: Notifier
    teams: TeamService
    keys: KeyService
    people: PeopleService
    members: MemberService
    invitations: InvitationService
    sessions: SessionService
    audit: AuditLog
    quotas: QuotaService
    limiter: RateLimiter
    provider: Provider | None
    catalog: CatalogService
    datasets: DatasetService
    jobs: JobService
    lists: JobLists
    choices: JobChoices
    comparison: JobComparison
    upkeep: JobUpkeep
    uses: UploadUses
    results: ResultService
    webhooks: WebhookService
    workers: WorkerService
    estimates: Estimates
    preflight: PreflightService


def assemble(settings: Settings, notifier: Notifier | None = None) -> Services:
    """Open database and store; ``notifier`` replaces Celery's in tests."""
    database = connect(settings.database)
    store = store_of(settings)
    notifier = notifier or CeleryNotifier(settings.broker_url)
    quotas = server_quotas(settings)
    admission = QuotaAdmission(quotas, settings.team_uploads or None)
    workers = WorkerService(database, settings)
    jobs = JobService(database, store, notifier, admission)
    lists = JobLists(database)
    estimates = Estimates(database, workers)
    return Services(
        settings=settings,
        database=database,
        store=store,
        marker=StorageMarker(database, store),
        notifier=notifier,
        teams=TeamService(database),
        keys=KeyService(database),
        people=PeopleService(database),
        members=MemberService(database),
        invitations=InvitationService(database),
        sessions=SessionService(database),
        audit=AuditLog(database),
        quotas=QuotaService(database, quotas),
        limiter=RateLimiter(settings),
        provider=Provider(settings) if settings.oidc_issuer else None,
        catalog=CatalogService(database, store, notifier, settings, admission),
        datasets=DatasetService(database, settings),
        webhooks=WebhookService(database, settings),
        jobs=jobs,
        lists=lists,
        choices=JobChoices(database),
        comparison=JobComparison(jobs, lists),
        upkeep=JobUpkeep(database),
        uses=UploadUses(database),
        results=ResultService(database),
        workers=workers,
        estimates=estimates,
        preflight=PreflightService(jobs, estimates),
    )
