"""Whose cells a job may begin with: its own team's, of succeeded jobs on inputs of the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.catalog.states import UploadKind
from app.jobs.earlier import NEWEST, EarlierJobs
from app.jobs.records import JobClaim, NewJob, StoredArtifact
from app.teams.service import TeamService
from primesvt_client.facts import NO_FACTS, ResultSummary
from tests.support.databases import fresh
from tests.support.shop import SPEC, Shop

NAME = "cells.jsonl.gz"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with fresh(request.param, tmp_path) as database:
        yield Shop(database, tmp_path)


def asked(shop: Shop, checkpoint: str = "1", dataset: str = "2") -> NewJob:
    """A job on new uploads, whose bytes have the given digests."""
    uploads = []
    for kind, digit in ((UploadKind.CHECKPOINT, checkpoint), (UploadKind.DATASET, dataset)):
        upload = shop.upload(kind, ready=False)
        claim = shop.upload_claim(upload.id)
        shop.assemble(claim)
        shop.uploads.verified(claim, digit * 64)
        shop.uploads.accept(claim, NO_FACTS)
        uploads.append(upload.id)
    return NewJob(checkpoint_id=uploads[0], dataset_id=uploads[1], spec=SPEC)


def finished(shop: Shop, new: NewJob) -> str:
    claim = shop.claimed(shop.jobs.submit(shop.team, new))
    shop.queue.finalize(claim)
    artifact = StoredArtifact(
        name=NAME, media_type="application/gzip", size_bytes=3, sha256="3" * 64, blob_key=f"a/{claim.job_id}"
    )
    shop.queue.succeed(claim, [artifact], "met", ResultSummary())
    return claim.job_id


def found(shop: Shop, claim: JobClaim) -> list[str]:
    return [cells.job_id for cells in EarlierJobs(shop.database).cells(claim, NAME)]


def test_jobs_on_the_same_bytes_are_found_newest_first(shop: Shop) -> None:
    jobs = [finished(shop, asked(shop)) for _ in range(NEWEST + 1)]
    finished(shop, asked(shop, checkpoint="4"))
    finished(shop, asked(shop, dataset="4"))
    claim = shop.claimed(shop.jobs.submit(shop.team, asked(shop)))
    assert found(shop, claim) == jobs[:0:-1]
    (newest, *_) = EarlierJobs(shop.database).cells(claim, NAME)
    assert (newest.blob_key, newest.sha256) == (f"a/{jobs[-1]}", "3" * 64)
    assert EarlierJobs(shop.database).cells(claim, "report.json") == []


def test_a_job_that_did_not_succeed_has_none(shop: Shop) -> None:
    shop.claimed(shop.jobs.submit(shop.team, asked(shop)))
    assert found(shop, shop.claimed(shop.jobs.submit(shop.team, asked(shop)))) == []


def test_another_teams_jobs_are_not_found(shop: Shop) -> None:
    finished(shop, asked(shop))
    shop.team = TeamService(shop.database).create_team("theirs").team_id
    assert found(shop, shop.claimed(shop.jobs.submit(shop.team, asked(shop)))) == []


def test_bytes_that_nobody_has_hashed_are_the_same_as_no_others(shop: Shop) -> None:
    finished(shop, asked(shop))
    claim = shop.claimed(shop.jobs.submit(shop.team, asked(shop)))
    assert claim.dataset is not None
    assert found(shop, replace(claim, dataset=None)) == []
    assert found(shop, replace(claim, dataset=replace(claim.dataset, sha256=None))) == []
