"""The worker: ``python -m worker``. One job at a time; uploads are looked into meanwhile."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_shutting_down

from app import logs
from app.metrics import REGISTRY
from app.queue import RUN_JOB, VALIDATE_UPLOAD, make_celery
from app.settings import Settings
from app.workers.records import WorkerState
from worker.metrics_server import GpuCollector, exposed
from worker.worker_loop import Station, open_station

THREADS = 3
"""One has the job, one looks into uploads, one lets doorbells ring that nobody can answer."""


def make_worker(station: Station) -> Celery:
    """The Celery application with the station's tasks."""
    celery = make_celery(station.settings.broker_url)
    celery.task(name=RUN_JOB)(station.run_job)
    celery.task(name=VALIDATE_UPLOAD)(station.validate_upload)

    def stop(**_told: object) -> None:
        station.stopping.set()
        station.presence.show(WorkerState.STOPPING)

    worker_shutting_down.connect(stop, weak=False)
    return celery


def main() -> None:
    """Work until told to stop by SIGTERM; what is running then is handed back."""
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level, as_json=settings.log_json)
    station = open_station(settings)
    station.sweep()
    options = ["--pool=threads", f"--concurrency={THREADS}", "--without-gossip", "--without-mingle"]
    REGISTRY.register(GpuCollector())
    with exposed(settings), station.presence.told():
        make_worker(station).worker_main(["worker", *options, f"--loglevel={settings.log_level}"])


if __name__ == "__main__":
    main()
