"""The worker: ``python -m worker``. One job at a time; uploads are validated meanwhile."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_shutting_down

from app import logs
from app.metrics import REGISTRY, serve_metrics
from app.queue import RUN_JOB, VALIDATE_UPLOAD, make_celery
from app.settings import Settings, private_umask, refuse_shared_folders
from app.workers.records import WorkerState
from worker.metrics_server import GpuCollector
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


def main() -> None:
    """Work until SIGTERM; what runs then is handed back."""
    settings = Settings.from_env(os.environ)
    private_umask()
    refuse_shared_folders(settings)
    logs.configure(settings.log_level, as_json=settings.log_json)
    loop = open_worker_loop(settings)
    loop.sweep()
    options = ["--pool=threads", f"--concurrency={THREADS}", "--without-gossip", "--without-mingle"]
    REGISTRY.register(GpuCollector())
    with serve_metrics(settings.metrics_address), loop.registration.registered():
        make_worker(loop).worker_main(["worker", *options, f"--loglevel={settings.log_level}"])


if __name__ == "__main__":
    main()
