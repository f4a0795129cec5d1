"""A job with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pydantic import PrivateAttr

from primesvt_client.parts import OnBytes
from primesvt_client.schemas.jobs import EventView, JobView
from primesvt_client.uploading import ignore_bytes

OnEvent = Callable[[EventView], None]


class Jobs(Protocol):
    """What a job asks of its client, `primesvt_client.client.Client`."""

    def job(self, job_id: str) -> Job: ...

    def wait(self, job_id: str, on_progress: OnEvent | None = None) -> Job: ...

    def download(self, job_id: str, out_dir: Path, on_progress: OnBytes = ...) -> list[Path]: ...

    def cancel(self, job_id: str) -> Job: ...

    def retry(self, job_id: str) -> Job: ...


class Job(JobView):
    """A job as it was when it was asked for; its methods ask the server, and give it as it is then."""

    _client: Jobs = PrivateAttr()

    def of(self, client: Jobs) -> Job:
        """The same job, of a client whose methods its own call."""
        self._client = client
        return self

    def refresh(self) -> Job:
        """The job as it is now."""
        return self._client.job(self.id)

    def wait(self, on_progress: OnEvent | None = None, *, show: bool = False) -> Job:
        """The job once it is over; a server that is unreachable for a while is waited for.

        Args:
            on_progress: called with every event once, in order.
            show: whether to draw progress, as the command line does.
        """
        if not show:
            return self._client.wait(self.id, on_progress)
        from primesvt_client.console import progress_bars

        with progress_bars() as report:

            def tell(event: EventView) -> None:
                if event.progress is not None:
                    report(event.progress)
                if on_progress is not None:
                    on_progress(event)

            return self._client.wait(self.id, tell)

    def download(self, out_dir: str | Path, on_progress: OnBytes = ignore_bytes) -> list[Path]:
        """All artifacts of a finished job as files below ``out_dir``; files that are present are not fetched again.

        Args:
            out_dir: folder, created where needed.
            on_progress: called with the bytes present and their total.
        """
        return self._client.download(self.id, Path(out_dir), on_progress)

    def cancel(self) -> Job:
        """Cancel it: at once if it is queued, otherwise soon."""
        return self._client.cancel(self.id)

    def retry(self) -> Job:
        """A new job with the inputs of this one, which failed or was cancelled."""
        return self._client.retry(self.id)
