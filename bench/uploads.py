"""Time of a large upload, and the API's memory: ``python -m bench.uploads [--gib 2] [--runs 3] [--s3 direct|through]``.

Compared, in the same run, with copying the file and hashing it once. The service is the real one, on one machine: the
Python client, the API's process, a worker that verifies. With ``--s3`` over PostgreSQL, Redis and the tests' S3 server
instead, to which parts are sent straight or through the API.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.catalog.states import UploadKind
from app.embedded import Place, running
from primesvt_client import Client
from tests.support.databases import fresh_url
from tests.support.fleet import fleet
from tests.support.servers import own_redis
from tests.support.swift import running_swift

MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--s3", choices=("direct", "through"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="primesvt-bench-") as name:
        folder = Path(name)
        with on_s3(folder, asked.s3) if asked.s3 else on_one_machine(folder) as service:
            for _ in range(asked.runs):
                measure(service, folder, int(asked.gib * 1024) * MIB)


@dataclass(frozen=True)
class Service:
    """A client of a service that runs, and the process of its API."""

    client: Client
    api_pid: int


@contextmanager
def on_one_machine(folder: Path) -> Iterator[Service]:
    with running(Place(folder / "data", port=0)) as found, Client(found.address, found.first_key or "") as client:
        yield Service(
            client, next(supervisor.process.pid for supervisor in found.supervisors if supervisor.program.name == "api")
        )


@contextmanager
def on_s3(folder: Path, way: str) -> Iterator[Service]:
    (folder / "swift").mkdir()
    with running_swift(folder / "swift") as swift, own_redis(folder / "redis") as redis, fresh_url(
        "postgresql", folder
    ) as url, fleet(
        folder / "fleet", PRIMESVT_DATABASE_URL=url, PRIMESVT_BROKER_URL=redis.url,
        PRIMESVT_STORAGE_URL=f"s3://{swift.fresh_bucket()}/all", PRIMESVT_S3_ENDPOINT=swift.endpoint,
        PRIMESVT_S3_PUBLIC_ENDPOINT=swift.endpoint if way == "direct" else "",
    ) as found:  # fmt: skip
        api = found.api()
        found.computing_worker()
        assert api.process is not None
        yield Service(found.client, api.process.pid)


def measure(service: Service, folder: Path, size: int) -> None:
    """One upload of fresh random bytes, and the copy to compare it with."""
    file = folder / "large.bin"
    block = secrets.token_bytes(MIB)
    with file.open("wb") as out:
        for number in range(size // MIB):  # no two parts are the same, and making them takes no time
            out.write(number.to_bytes(8, "big") + secrets.token_bytes(8) + block[16:])
    os.sync()  # or the copy would wait for what was written before
    copying = seconds(lambda: shutil.copyfile(file, folder / "copy.bin"))
    hashing = seconds(lambda: digest(file))
    (folder / "copy.bin").unlink()
    os.sync()
    pid, client = service.api_pid, service.client
    before = memory(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    begun = time.perf_counter()
    upload = client.upload(file, UploadKind.CHECKPOINT)
    sent = time.perf_counter() - begun
    upload = client.wait_upload(upload.id)
    judged = time.perf_counter() - begun
    peak = memory(pid, "VmHWM")
    client._connection.send("DELETE", f"uploads/{upload.id}")
    reference = copying + hashing
    print(
        f"copy {copying:.2f} s + hash {hashing:.2f} s = {reference:.2f} s; sent and complete {sent:.2f} s"
        f" ({sent / reference:.2f}x); verified and judged {judged:.2f} s ({judged / reference:.2f}x);"
        f" API {before / MIB:.0f} MiB, at most {peak / MIB:.0f} MiB (+{(peak - before) / MIB:.0f});"
        f" {upload.problem and upload.problem.code}",
        flush=True,
    )


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def memory(pid: int, name: str) -> int:
    """Bytes of a process's memory, as Linux counts them."""
    text = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
