"""The worker: ``python -m worker``. One job at a time; uploads are validated meanwhile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Thread

from celery import Celery
from celery.signals import worker_shutting_down
from sqlalchemy import make_url

from app import logs
from app.hardening import forget, hide_memory
from app.metrics import REGISTRY, serve_metrics
from app.queue import RUN_JOB, VALIDATE_UPLOAD, make_celery
from app.settings import Settings, private_umask, refuse_shared_folders
from app.workers.records import WorkerState
from worker import caches
from worker.dataset_watch import DatasetWatch
from worker.metrics_server import GpuCollector
from worker.probing import missing_promises
from worker.turns import BEGUN
from worker.worker_loop import WorkerLoop, open_worker_loop

THREADS = BEGUN + 2
"""Most validate uploads, one runs the job, one passes on notifications that this worker cannot answer."""


def make_worker(loop: WorkerLoop) -> Celery:
    """The Celery application with the worker loop's tasks."""
    celery = make_celery(loop.settings.broker_url)
    celery.task(name=RUN_JOB)(loop.run_job)
    celery.task(name=VALIDATE_UPLOAD)(loop.validate_upload)

    def stop(**_signal: object) -> None:
        loop.stopping.set()
        loop.registration.set_state(WorkerState.STOPPING)

    worker_shutting_down.connect(stop, weak=False)
    return celery


def prepare(loop: WorkerLoop) -> None:
    """What takes seconds and nobody waits for: find out which promises hold here, compile kernels for all children."""
    loop.registration.set_missing(missing_promises(loop.settings, loop.devices))
    caches.fill()


def with_password(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """The same settings, with the password that PostgreSQL's library would look for at every connection."""
    password = environment.get("PGPASSWORD")
    if not password or not settings.database_url.startswith("postgresql"):
        return settings
    url = make_url(settings.database_url)
    if url.password is not None:
        return settings
    whole = url.set(password=password).render_as_string(hide_password=False)
    return settings.model_copy(update={"database_url": whole})


def main() -> None:
    """Work until SIGTERM; what runs then is handed back."""
    hide_memory()
    settings = with_password(Settings.from_env(os.environ), os.environ)
    private_umask()
    refuse_shared_folders(settings)
    logs.configure(settings.log_level, as_json=settings.log_json)
    loop = open_worker_loop(settings)
    forget(os.environ)  # what was opened keeps its credentials; from here on children are started
    loop.sweep()
    options = ["--pool=threads", f"--concurrency={THREADS}", "--without-gossip", "--without-mingle"]
    REGISTRY.register(GpuCollector())
    with serve_metrics(settings.metrics_address), loop.registration.registered():
        Thread(target=prepare, args=(loop,), name="preparing", daemon=True).start()
        Thread(target=DatasetWatch.of(loop).run, name="data-sets", daemon=True).start()
        make_worker(loop).worker_main(["worker", *options, f"--loglevel={settings.log_level}"])


if __name__ == "__main__":
    main()
