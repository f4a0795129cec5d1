"""What one team at its worst costs another: upload verdict, webhook, page and poll, alone and beside it.

    python -m bench.fairness [--times 20] [--share 1.0]

A whole service (API, a worker that computes, a reconciler, PostgreSQL and Redis of its own) serves two teams. One is
measured, alone and then while the other has 64 idle uploads, 300 hostile files, 100 messages to slow webhooks, 600
streams of events and specs of 0.9 MB on their way (`bench.worst_team`), on the same cores. Exits with 1 unless every
median is at most 3 times, and the worst at most 10 times, what the same takes alone in the median.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from PIL import Image

from app.api.cookies import SESSION_COOKIE
from app.catalog.states import UploadKind
from app.services import Services, assemble
from app.teams.records import NewKey
from app.teams.scopes import Role
from app.webhooks.service import MOST
from app.webhooks.states import EventType
from tests.support.dashboard import SilentNotifier
from tests.support.fleet import SPEC, Fleet, fleet
from tests.support.receiving import Receiver, receiver
from tests.support.servers import own_postgres, own_redis

SLOW_MESSAGES = 100
MEDIAN_RATIO, WORST_RATIO = 3.0, 10.0
PASSWORD = "correct horse battery staple, as they say"
PATIENCE_SECONDS = 300.0
Times = Mapping[str, list[float]]


def pictures(number: int) -> bytes:
    """A small data set, another one for each number."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for index in range(20):
            picture = io.BytesIO()
            Image.new("RGB", (32, 32), (number % 256, index, number // 256)).save(picture, "PNG")
            archive.writestr(f"{'ab'[index % 2]}/{index}.png", picture.getvalue())
    return made.getvalue()


@dataclass
class Measured:
    """The team that is measured."""

    site: Fleet
    services: Services
    hook: str
    received: Receiver
    job: str
    http: httpx.Client
    sent: int = 0

    def verdict(self) -> None:
        """From the first byte of an upload to the verdict."""
        self.sent += 1
        path = self.site.folder / "small.zip"
        path.write_bytes(pictures(self.sent))
        upload = self.site.client.upload(path, UploadKind.DATASET)
        self._until(lambda: self.site.client.get_upload(upload.id).problem is not None
                    or self.site.client.get_upload(upload.id).state == "ready", 0.1)  # fmt: skip

    def webhook(self) -> None:
        """From an event to its message."""
        before = len(self.received.received)
        self.services.webhooks.ping(self.site.team, self.hook)
        self._until(lambda: len(self.received.received) > before, 0.01)

    def page(self) -> None:
        """The page of a job."""
        self.http.get(f"/jobs/{self.job}").raise_for_status()

    def poll(self) -> None:
        """The state of a job."""
        self.site.client.job(self.job)

    def times(self, count: int) -> Times:
        """Seconds that each took, one after another."""
        acts = {"upload verdict": self.verdict, "webhook": self.webhook, "page": self.page, "poll": self.poll}
        found: dict[str, list[float]] = {name: [] for name in acts}
        for number in range(count):
            for name, act in acts.items():
                began = time.perf_counter()
                act()
                found[name].append(time.perf_counter() - began)
            last = ", ".join(f"{name} {1000 * found[name][-1]:.0f} ms" for name in acts)
            print(f"{number + 1} of {count}: {last}", file=sys.stderr, flush=True)
        return found

    @staticmethod
    def _until(is_so: Callable[[], bool], every: float) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > give_up_at:
                raise TimeoutError
            time.sleep(every)


@contextmanager
def measured(site: Fleet) -> Iterator[Measured]:
    """The first team, with a webhook, a job that waits and somebody who is signed in."""
    services = assemble(site.settings, SilentNotifier())
    services.invitations.use(services.invitations.invite(site.team, "ann@example.org", Role.MEMBER).token, PASSWORD)
    principal = services.people.sign_in("ann@example.org", PASSWORD)
    cookies = {SESSION_COOKIE: services.sessions.open(replace(principal, team_id=site.team))}
    job = job_of(site, services, site.team)
    with receiver() as received, httpx.Client(
        base_url=f"http://127.0.0.1:{site.port}", cookies=cookies, headers={"Accept": "text/html"}, timeout=60
    ) as http:  # fmt: skip
        hook = services.webhooks.create(site.team, received.url(), [*EventType]).webhook.id
        yield Measured(site, services, hook, received, job, http)
    services.database.engine.dispose()


def job_of(site: Fleet, services: Services, team: str) -> str:
    """A job of the team that waits for a GPU, which there is none."""
    from app.jobs.records import NewJob

    ids = []
    for kind in UploadKind:
        upload = services.catalog.create(team, kind, f"a {kind}", 3, None)
        services.catalog.put_part(team, upload.id, 1, [b"abc"], None)
        ids.append(upload.id)
    asked = NewJob(checkpoint_id=ids[0], dataset_id=ids[1], spec={**SPEC, "device": "cuda"})
    return services.jobs.submit(team, asked).id


@contextmanager
def at_its_worst(site: Fleet, services: Services, share: float) -> Iterator[None]:
    """Another team does all that while the block runs, which begins when its first files are sent."""
    other: NewKey = services.teams.create_team("worst")
    with receiver() as slow:
        slow.hold.clear()
        hooks = [services.webhooks.create(other.team_id, slow.url(), [*EventType]).webhook.id for _ in range(MOST)]
        for number in range(round(share * SLOW_MESSAGES)):
            services.webhooks.ping(other.team_id, hooks[number % MOST])
        job = job_of(site, services, other.team_id)
        command = [sys.executable, "-m", "bench.worst_team", str(site.port), other.secret, job, "--share", str(share)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def judge(alone: Times, beside: Times) -> bool:
    """Print the table; whether all is within its ratio."""
    print("| | alone, median | worst | beside, median | worst | ratio of medians | worst to median alone |")
    print("|---|---|---|---|---|---|---|")
    good = True
    for name in alone:
        median, worst = statistics.median(beside[name]), max(beside[name])
        base = statistics.median(alone[name])
        cells = [base, max(alone[name]), median, worst]
        ratios = median / base, worst / base
        print(f"| {name} | " + " | ".join(f"{1000 * one:.0f} ms" for one in cells)
              + f" | {ratios[0]:.1f} | {ratios[1]:.1f} |", flush=True)  # fmt: skip
        good &= ratios[0] <= MEDIAN_RATIO and ratios[1] <= WORST_RATIO
    print(
        f"wanted: at most {MEDIAN_RATIO:g} and {WORST_RATIO:g}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--share", type=float, default=1.0, help="of what the other team does; for a try")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped all the same
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(own_postgres())
        redis = stack.enter_context(own_redis(folder / "redis"))
        env = {
            "PRIMESVT_DATABASE_URL": stack.enter_context(postgres.database()), "PRIMESVT_BROKER_URL": redis.url,
            "PRIMESVT_LEASE_SECONDS": "30", "PRIMESVT_HEARTBEAT_SECONDS": "2", "PRIMESVT_RECONCILE_SECONDS": "5",
            "PRIMESVT_MAX_ATTEMPTS": "5", "PRIMESVT_WEBHOOK_PRIVATE_NETWORK": "true",
        }  # fmt: skip
        site = stack.enter_context(fleet(folder / "fleet", **env))
        site.api()
        site.reconciler()
        site.computing_worker(PRIMESVT_WORKER_DEVICES="cpu")
        team = stack.enter_context(measured(site))
        team.times(1)  # until everything is loaded
        alone = team.times(asked.times)
        with at_its_worst(site, team.services, asked.share):
            beside = team.times(asked.times)
    return 0 if judge(alone, beside) else 1


if __name__ == "__main__":
    sys.exit(main())
