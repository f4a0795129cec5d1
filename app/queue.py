"""The queue: a message only notifies, with an id; the database is the only record of what is to be done."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError

log = logging.getLogger(__name__)

RUN_JOB = "primesvt.run_job"
VALIDATE_UPLOAD = "primesvt.validate_upload"
SOCKET_SECONDS = 2.0


class Notifier(Protocol):
    """Notifies workers that there is something to do."""

    def notify_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        """Some worker should look for work; the job is only the reason.

        ``forwarded_by`` are busy workers that have received the notification already.
        """

    def notify_upload(self, upload_id: str, forwarded_by: Sequence[str] = ()) -> None:
        """Some worker should look for uploads; this one is only the reason."""

    def waiting(self) -> int:
        """How many notifications no worker has received yet; 0 where that is unknown."""


def make_celery(broker_url: str) -> Celery:
    """The Celery application, the same in API and worker.

    Messages are acknowledged early and carry nothing but an id: they may come twice, or never, without harm.
    """
    celery = Celery("primesvt", broker=broker_url)
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": SOCKET_SECONDS,
            "socket_keepalive": not broker_url.startswith("redis+socket"),
            "health_check_interval": 30,
        },
        task_publish_retry=False,
    )
    return celery


class CeleryNotifier:
    """Notifies through Celery. A broker that does not answer is logged, not raised: the reconciler notifies again."""

    def __init__(self, broker_url: str) -> None:
        self.celery = make_celery(broker_url)

    def notify_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        self._notify(RUN_JOB, job_id, [*forwarded_by])

    def notify_upload(self, upload_id: str, forwarded_by: Sequence[str] = ()) -> None:
        # Workers of the version before know the id alone.
        self._notify(VALIDATE_UPLOAD, upload_id, *([[*forwarded_by]] if forwarded_by else []))

    def waiting(self) -> int:
        try:
            with self.celery.connection_for_read() as connection:
                queue = self.celery.conf.task_default_queue
                return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except (OperationalError, ChannelError, OSError):  # no broker, or no worker has made the queue yet
            return 0

    def is_ready(self) -> bool:
        """Whether the broker answers."""
        try:
            with self.celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=SOCKET_SECONDS)
        except (OperationalError, OSError):
            return False
        return True

    def _notify(self, task: str, subject: str, *more: object) -> None:
        try:
            self.celery.send_task(task, args=[subject, *more], ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("doorbell_failed", extra={"task": task, "subject": subject, "reason": str(error)})
