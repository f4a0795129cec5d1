"""Files to and from real S3, with the real service: straight where clients reach it, through the API elsewhere."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.catalog.states import UploadKind, UploadState
from app.jobs.states import JobState
from primesvt_client import Client, uploading
from primesvt_client.connection import Connection
from primesvt_client.schemas.jobs import JobView
from primesvt_client.schemas.uploads import UploadView
from tests.support.databases import fresh_url
from tests.support.fleet import Fleet, fleet
from tests.support.servers import own_redis, until
from tests.support.swift import Swift

MIB = 1 << 20
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: storage that this client cannot reach."""


class Interrupted(Exception):
    """Somebody has pressed Ctrl-C."""


class Traffic:
    """Which parts a client sends where.

    Attributes:
        breaks_off: what happens when a third part is about to be sent, before that ends in `Interrupted`. What is on
            its way then arrives: how much of a part has been sent says nothing of how many parts are there.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.through, self.direct, self.begun = 0, 0, count(1)
        self.breaks_off: Callable[[], None] | None = None
        self.send, self.deliver = Connection.send, Connection.deliver
        patch.setattr(Connection, "send", lambda *a, **k: self._send(*a, **k))
        patch.setattr(Connection, "deliver", lambda *a, **k: self._deliver(*a, **k))

    def _send(self, connection: Connection, method: str, path: str, **options: Any) -> httpx.Response:
        self.through += method == "PUT"
        return self.send(connection, method, path, **options)

    def _deliver(self, *told: Any) -> None:
        if self.breaks_off and next(self.begun) == 3:
            self.breaks_off()
            raise Interrupted
        self.deliver(*told)
        self.direct += 1


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    return Traffic(monkeypatch)


@contextmanager
def on_s3(swift: Swift, folder: Path, public: str) -> Iterator[Fleet]:
    """PostgreSQL, Redis and S3 with an API, a reconciler and a worker whose children take every file for good."""
    env = {
        "PRIMESVT_STORAGE_URL": f"s3://{swift.fresh_bucket()}/all", "PRIMESVT_S3_ENDPOINT": swift.endpoint,
        "PRIMESVT_S3_PUBLIC_ENDPOINT": public, "PRIMESVT_PART_BYTES": str(5 * MIB),
    }  # fmt: skip
    with own_redis(folder / "redis") as redis, fresh_url("postgresql", folder) as url, fleet(
        folder / "fleet", PRIMESVT_DATABASE_URL=url, PRIMESVT_BROKER_URL=redis.url, **env
    ) as found:  # fmt: skip
        found.api()
        found.reconciler()
        found.worker()
        yield found


@pytest.fixture(scope="module")
def direct(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with on_s3(swift, tmp_path_factory.mktemp("direct"), swift.endpoint) as found:
        yield found


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(12 * MIB))
    return path


def sent(here: Fleet, path: Path, kind: UploadKind = UploadKind.CHECKPOINT) -> UploadView:
    return here.client.wait_upload(here.client.upload(path, kind).id)


def test_parts_go_straight_to_storage(direct: Fleet, large: Path, traffic: Traffic) -> None:
    told: list[tuple[int, int]] = []
    upload = direct.client.upload(large, UploadKind.CHECKPOINT, lambda done, size: told.append((done, size)))
    assert direct.client.wait_upload(upload.id).state is UploadState.READY
    assert (traffic.direct, traffic.through) == (3, 0)
    assert told[0] == (0, 12 * MIB)
    assert told[-1] == (12 * MIB, 12 * MIB)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_an_interrupted_upload_goes_on_with_the_parts_that_are_missing(
    direct: Fleet, large: Path, traffic: Traffic
) -> None:
    traffic.breaks_off = lambda: None
    with pytest.raises(Interrupted):
        direct.client.upload(large, UploadKind.CHECKPOINT)
    [open_one] = direct.client._connection.get(dict[str, Any], "uploads", {"state": "uploading"})["items"]
    assert (len(open_one["received_parts"]), traffic.direct) == (2, 2)
    upload = sent(direct, large)
    assert upload.state is UploadState.READY
    assert upload.id == open_one["id"]
    assert traffic.direct == 3


def test_a_large_new_file_is_hashed_on_its_way_and_can_be_resumed(
    direct: Fleet, tmp_path: Path, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "HASHED_FIRST_BYTES", 1)
    new = tmp_path / "new.pth"
    new.write_bytes(os.urandom(12 * MIB + 1))  # of a size that nobody has sent
    digest = hashlib.sha256(new.read_bytes()).hexdigest()

    def is_announced() -> bool:
        found = direct.client._connection.get(dict[str, Any], "uploads", {"size_bytes": 12 * MIB + 1})["items"]
        return any(upload["sha256"] == digest for upload in found)

    traffic.breaks_off = lambda: until(is_announced, "the digest is not announced while the file is sent")
    with pytest.raises(Interrupted):
        direct.client.upload(new, UploadKind.CHECKPOINT)
    assert traffic.direct == 2
    upload = sent(direct, new)
    assert (upload.state, upload.sha256, traffic.direct) == (UploadState.READY, digest, 3)
    assert sent(direct, new).sha256 == digest  # of a size that is known: hashed first
    assert traffic.direct == 3


def test_content_that_is_not_what_was_announced_is_rejected(direct: Fleet, large: Path) -> None:
    connection = direct.client._connection
    body = {"kind": "checkpoint", "name": "a.pth", "size_bytes": 12 * MIB, "sha256": "0" * 64}
    upload = connection.post(UploadView, "uploads", body)
    addresses = connection.post(dict[str, Any], f"uploads/{upload.id}/part-urls", {"numbers": [1, 2, 3]})["items"]
    content = large.read_bytes()
    for address in addresses:
        start = (address["number"] - 1) * 5 * MIB
        assert httpx.put(address["url"], content=content[start : start + 5 * MIB]).status_code == 200
    connection.post(UploadView, f"uploads/{upload.id}/complete")
    found = direct.client.wait_upload(upload.id)
    assert (found.state, found.problem and found.problem.code) == (UploadState.REJECTED, "digest_mismatch")


@pytest.mark.thorough
def test_storage_that_the_client_cannot_reach_is_gone_around(
    swift: Swift, large: Path, traffic: Traffic, tmp_path: Path
) -> None:
    with on_s3(swift, tmp_path / "data", NOWHERE) as here:
        assert sent(here, large).state is UploadState.READY
        assert (traffic.direct, traffic.through) == (0, 3)


@pytest.fixture(scope="module")
def job(direct: Fleet) -> JobView:
    inputs = direct.upload(b"a checkpoint", UploadKind.CHECKPOINT), direct.upload(b"a data set", UploadKind.DATASET)
    found = direct.until_over(direct.submit(*inputs))
    assert found.state is JobState.SUCCEEDED, found.problem
    return found


def test_artifacts_come_straight_from_storage(direct: Fleet, job: JobView, tmp_path: Path) -> None:
    artifacts = {artifact.name: artifact for artifact in direct.client.artifacts(job.id)}
    address = f"http://127.0.0.1:{direct.port}/api/v1/jobs/{job.id}/artifacts/model.safetensors"
    auth = {"Authorization": f"Bearer {direct.key}"}
    answer = httpx.get(address, headers=auth)
    assert (answer.status_code, answer.headers["etag"]) == (307, f'"{artifacts["model.safetensors"].sha256}"')
    fetched = httpx.get(answer.headers["location"])
    assert fetched.headers["content-disposition"].startswith("attachment")
    assert httpx.get(address, headers=auth, params={"direct": "false"}).content == fetched.content
    assert httpx.get(address, headers={**auth, "If-None-Match": answer.headers["etag"]}).status_code == 304
    assert len(direct.client.download(job.id, tmp_path / "straight")) == len(artifacts)


def test_artifacts_come_through_the_server_where_storage_cannot_be_reached(
    direct: Fleet, job: JobView, swift: Swift, tmp_path: Path
) -> None:
    with httpx.HTTPTransport() as server:

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.port == swift.port:
                raise httpx.ConnectError("no route to host", request=request)
            return server.handle_request(request)

        transport = httpx.MockTransport(answer)
        with Client(f"http://127.0.0.1:{direct.port}", direct.key, transport=transport) as client:
            assert len(client.download(job.id, tmp_path)) == len(direct.client.artifacts(job.id))


def test_the_same_bytes_are_neither_sent_nor_stored_twice(
    direct: Fleet, swift: Swift, large: Path, traffic: Traffic
) -> None:
    def objects() -> int:
        bucket = direct.settings.storage_url.split("/")[2]
        return int(swift.client.list_objects_v2(Bucket=bucket)["KeyCount"])

    assert sent(direct, large).state is UploadState.READY
    before, direct_before = objects(), traffic.direct
    other = sent(direct, large.rename(large.with_name("b.bin")), UploadKind.DATASET)
    assert other.state is UploadState.READY
    assert (objects(), traffic.direct, traffic.through) == (before, direct_before, 0)
