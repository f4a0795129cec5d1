"""Results of a job lie beside a signed statement about them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from app.jobs.records import HeartbeatReply, JobClaim
from app.signing import signing_key
from primesvt_client.facts import ResultSummary
from primesvt_client.provenance import FILE, NotVerified, public_key, verify
from tests.support.databases import fresh
from tests.support.shop import Shop
from worker.heartbeat import LeaseHeartbeat
from worker.jobs import JobRunner
from worker.protocol import CompressResult


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with fresh("sqlite", tmp_path) as database:
        yield Shop(database, tmp_path / "service")


def stored(shop: Shop, out: Path) -> JobClaim:
    """A job whose child left ``out``, ended as a worker ends it."""
    claim = shop.claimed()
    runner = JobRunner(shop.database, shop.store, shop.settings, "w", Event(), shop.notifier)
    reply = HeartbeatReply(cancel_requested=False)
    heartbeat = LeaseHeartbeat(lambda *_: reply, Event(), every_seconds=60, lease_seconds=60)
    shop.queue.finalize(claim)
    runner._store_artifacts(claim, out, CompressResult(verdict="met", summary=ResultSummary()), heartbeat)
    return claim


def left(folder: Path) -> Path:
    (folder / "figures").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "figures" / "layers.png").write_bytes(b"picture")
    (folder / FILE).write_text("what a child says about itself")
    return folder


def test_what_a_team_downloads_is_verified_and_says_what_it_was_made_from(shop: Shop, tmp_path: Path) -> None:
    claim = stored(shop, left(tmp_path / "out"))
    there = tmp_path / "downloaded"
    for artifact in shop.jobs.artifacts(shop.team, claim.job_id):
        (there / artifact.name).parent.mkdir(parents=True, exist_ok=True)
        found = shop.jobs.artifact(shop.team, claim.job_id, artifact.name)
        (there / artifact.name).write_bytes(b"".join(shop.store.open(found.blob_key)))
    key = public_key(signing_key(shop.settings.signing_key).public)
    statement = verify(there, [key])
    assert {one.name for one in statement.subject} == {"model.safetensors", "figures/layers.png"}
    built = statement.predicate["buildDefinition"]
    assert built["externalParameters"] == {"spec": claim.spec}
    names = {one["name"]: one["digest"].get("sha256") for one in built["resolvedDependencies"]}
    assert claim.dataset is not None
    assert names == {"checkpoint": claim.checkpoint.sha256, "dataset": claim.dataset.sha256}
    assert statement.predicate["runDetails"]["metadata"] == {"invocationId": claim.job_id}
    payload = json.loads(base64.b64decode(json.loads((there / FILE).read_bytes())["payload"]))
    assert payload["_type"] == "https://in-toto.io/Statement/v1"
    (there / "model.safetensors").write_bytes(b"another model")
    with pytest.raises(NotVerified):
        verify(there, [key])


def test_a_job_whose_results_cannot_be_signed_is_tried_again_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.settings.signing_key.parent.mkdir(parents=True, exist_ok=True)
    shop.settings.signing_key.write_text("no key")
    with pytest.raises(OSError, match="no key that signs results"):
        stored(shop, left(tmp_path / "out"))
    assert [path for path in (shop.settings.data_dir / "blobs" / "artifacts").rglob("*") if path.is_file()] == []
