"""Registered data sets, on every database: offered to whom the operator says, uploaded and deleted by nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.catalog.models import UploadRow
from app.catalog.records import UploadContent
from app.catalog.states import UploadKind, UploadState
from app.errors import Conflict, Invalid, NotFound
from app.jobs.datasets import DatasetService, RegisteredDataset
from app.jobs.records import NewJob
from app.jobs.states import NEWER, JobState
from app.storage.outside import checked_location, look
from app.teams.audit import AuditLog
from app.teams.own_team import OWN_TEAM
from app.teams.service import TeamService
from app.usage.quotas import QuotaService
from primesvt_client.facts import NO_FACTS
from tests.support.shop import SPEC, Shop

BYTES = b"images"


class Registry:
    """The data sets of a shop, one of them a file outside it."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.service = shop, DatasetService(shop.database, shop.settings)
        self.path = folder / "outside" / "digits.npz"
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes(BYTES)
        self.name = f"digits of {shop.team}"  # the database is shared by the tests

    def added(self, teams: list[str] | None = None, *, ready: bool = True) -> RegisteredDataset:
        found = self.service.add(self.name, str(self.path), teams or [self.shop.team])
        if ready:
            claim = self.shop.upload_claim(found.id)
            self.shop.uploads.verified(claim, "a" * 64)
            self.shop.uploads.seen(claim, len(BYTES), look(str(self.path), self.shop.settings).version)
            self.shop.uploads.accept(claim, NO_FACTS)
        return self.service.named(self.name)

    def asked(self, dataset_id: str) -> NewJob:
        return NewJob(checkpoint_id=self.shop.upload(UploadKind.CHECKPOINT).id, dataset_id=dataset_id, spec=SPEC)


@pytest.fixture
def registry(shop: Shop, tmp_path: Path) -> Registry:
    # The shop's folder is the whole temporary one: what is outside must lie outside.
    inside = shop.settings.model_copy(update={"data_dir": tmp_path / "service"})
    shop.settings = inside
    return Registry(shop, tmp_path)


def test_a_job_reads_it_where_it_lies_and_no_quota_counts_it(registry: Registry) -> None:
    shop, found = registry.shop, registry.added([registry.shop.team])
    assert (found.state, found.size_bytes, found.sha256) == (UploadState.READY, len(BYTES), "a" * 64)
    [offered] = registry.service.offered(shop.team)
    assert (offered.id, offered.file_name) == (found.id, "digits.npz")
    job = shop.jobs.submit(shop.team, registry.asked(found.id))
    claim = shop.claimed(job)
    assert isinstance(claim.dataset, UploadContent)
    assert claim.dataset.outside is not None
    assert (claim.dataset.outside.location, claim.dataset.name) == (str(registry.path), "digits.npz")
    stored = QuotaService(shop.database, shop.jobs.admission.defaults).usage(shop.team).storage_bytes  # type: ignore[attr-defined]
    assert stored == 3  # the checkpoint
    with shop.database.session() as session:
        row = session.get_one(UploadRow, found.id)
        assert (row.content_id, row.team_id) == (None, OWN_TEAM)
    assert shop.job(job).dataset_id == found.id


def test_workers_of_earlier_versions_do_not_claim_such_jobs(registry: Registry) -> None:
    asked = registry.shop.jobs.resolved(registry.shop.team, registry.asked(registry.added().id))
    assert asked.device.endswith(NEWER)
    training = replace(asked.new, dataset_id="upl_1", train_dataset_id="dat_1")
    assert replace(asked, new=training).device.endswith(NEWER)
    assert not replace(asked, new=replace(asked.new, dataset_id="upl_1")).device.endswith(NEWER)


def test_another_team_finds_nothing_of_that_name_and_nobody_can_change_it(registry: Registry) -> None:
    shop, found = registry.shop, registry.added([registry.shop.team])
    stranger = TeamService(shop.database).create_team("others").team_id
    unknown = {}
    for dataset_id in (found.id, "dat_00000000000000000000000000"):
        for act in (registry.service.get, shop.catalog.get):
            with pytest.raises(NotFound):
                act(stranger, dataset_id)
        model = shop.upload(UploadKind.CHECKPOINT)
        shop.set_upload(model.id, team_id=stranger)
        new = NewJob(checkpoint_id=model.id, dataset_id=dataset_id, spec=SPEC)
        for asked in (new, replace(new, dataset_id=shop.upload(UploadKind.DATASET).id, train_dataset_id=dataset_id)):
            with pytest.raises(NotFound) as refused:
                shop.jobs.submit(stranger, asked)
        unknown[dataset_id] = refused.value.message.replace(dataset_id, "")
    assert registry.service.offered(stranger) == []
    assert found.id not in {upload.id for upload in shop.catalog.search(shop.team, limit=200).items}
    for change in (
        lambda team: shop.catalog.delete(team, found.id),
        lambda team: shop.catalog.put_part(team, found.id, 1, [b"x"], None),
        lambda team: shop.catalog.announce_digest(team, found.id, "0" * 64),
        lambda team: shop.jobs.submit(team, NewJob(checkpoint_id=found.id, dataset_id=found.id, spec=SPEC)),
    ):
        for team in (shop.team, stranger):
            with pytest.raises(NotFound):
                change(team)


def test_what_is_not_validated_yet_is_offered_to_nobody(registry: Registry) -> None:
    found = registry.added(ready=False)
    assert registry.service.offered(registry.shop.team) == []
    with pytest.raises(NotFound):
        registry.shop.jobs.submit(registry.shop.team, registry.asked(found.id))


def test_waiting_jobs_fail_when_it_is_removed_and_the_name_is_free_again(registry: Registry) -> None:
    shop, found = registry.shop, registry.added()
    waiting, running = (shop.jobs.submit(shop.team, registry.asked(found.id)) for _ in range(2))
    claim = shop.claimed(running)
    assert registry.service.remove(registry.name) == 1
    for job in (waiting, running):
        problem = shop.job(job).problem
        assert (problem and problem.code) == ("dataset_removed" if job is waiting else None)
    with pytest.raises(NotFound):
        shop.jobs.submit(shop.team, registry.asked(found.id))
    with pytest.raises(NotFound):
        registry.service.remove(registry.name)
    shop.queue.hand_back(claim)  # the worker of the job that ran is gone
    shop.reconcile()
    assert shop.job(running).state is JobState.FAILED
    assert shop.job(running).problem == shop.job(waiting).problem
    assert registry.added().id != found.id
    with pytest.raises(Conflict, match="already"):
        registry.service.add(registry.name, str(registry.path), None)


def test_a_team_that_it_is_withdrawn_from_learns_so_and_retries_in_vain(registry: Registry) -> None:
    shop, found = registry.shop, registry.added()
    stranger = TeamService(shop.database).create_team("others").team_id
    job = shop.jobs.submit(shop.team, registry.asked(found.id))
    registry.service.offer(registry.name, [stranger])
    assert shop.job(job).state is JobState.FAILED
    assert (len(registry.service.offered(stranger)), registry.service.offered(shop.team)) == (1, [])
    with pytest.raises(NotFound):
        shop.jobs.retry(shop.team, job.id)
    registry.service.offer(registry.name, [shop.team])
    assert shop.jobs.retry(shop.team, job.id).state is JobState.QUEUED
    log = AuditLog(shop.database)
    assert [entry.action for entry in log.search(stranger).items][:2] == ["dataset.withdraw", "dataset.offer"]
    assert all("location" not in entry.details for entry in log.search(shop.team, action="dataset.offer").items)


def test_the_service_s_own_team_is_no_team_of_anybody(registry: Registry) -> None:
    registry.added()
    teams = TeamService(registry.shop.database)
    assert OWN_TEAM not in {team.id for team in teams.all()}
    with pytest.raises(NotFound):
        teams.id_of("the service")


def test_what_cannot_be_registered_is_refused_with_what_to_do(registry: Registry, tmp_path: Path) -> None:
    settings = registry.shop.settings
    own = settings.data_dir / "blobs" / "uploads" / "upl_1"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"of another team")
    link = tmp_path / "outside" / "link.npz"
    link.symlink_to(own)
    up = registry.path.parent / ".." / "service" / "blobs" / "uploads" / "upl_1"
    for location, told in (
        (str(own), "own folder"), (str(link), "own folder"), (str(up), "own folder"), ("/dev/zero", "no plain file"),
        (str(tmp_path / "outside"), "is a folder"), ("file:///etc/passwd", "give a path or s3"), ("", "neither a path"),
        ("s3://bucket", "name one object"), ("s3://bucket/", "name one object"), ("a\nb", "neither a path"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=told):
            registry.service.add(registry.name, location, None)
    for name in ("", "a\x1b[2Jb", " ", "x" * 201):
        with pytest.raises(Invalid, match="is no name"):
            registry.service.add(name, str(registry.path), None)
    in_s3 = settings.model_copy(update={"storage_url": "s3://ours/prefix"})
    with pytest.raises(Invalid, match="what is of teams"):
        checked_location("s3://ours/prefix/uploads/upl_1", in_s3)
    for location in ("s3://ours/prefix/public/a.npz", "s3://ours/uploads/a.npz", "s3://theirs/prefix/uploads/a.npz"):
        assert checked_location(location, in_s3) == location


def test_a_relative_path_and_a_link_are_registered_as_what_they_lead_to(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = registry.path.parent / "current.npz"
    link.symlink_to(registry.path)
    monkeypatch.chdir(registry.path.parent)
    for given in ("digits.npz", "current.npz", "./../outside/digits.npz"):
        assert checked_location(given, registry.shop.settings) == str(registry.path)
    with pytest.raises(Invalid, match="link"):
        look(str(link), registry.shop.settings)
