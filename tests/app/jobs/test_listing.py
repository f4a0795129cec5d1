"""Lists of jobs: filters, sorts and pages, tags, the archive, what can be chosen, and who uses an upload."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.catalog.models import ContentRow
from app.db import now
from app.errors import Conflict, Invalid, InvalidCursor, NotFound, UploadInUse
from app.jobs.choices import JobChoices
from app.jobs.filters import JobFilter
from app.jobs.listing import JobLists
from app.jobs.sorting import Ordering
from app.jobs.states import JobState
from app.jobs.tables import COLUMNS, as_csv
from app.jobs.upkeep import JobUpkeep
from app.jobs.uses import UploadUses
from app.teams.actors import Actor, ActorKind, acting
from app.teams.audit import AuditLog
from app.teams.service import TeamService
from primesvt_client.facts import ResultSummary
from primesvt_client.states import Archived, JobSort, SortOrder
from tests.support.shop import Shop


def listed(shop: Shop, ordering: Ordering, limit: int = 2, **wanted: Any) -> list[str]:
    """Names of all pages, one after another."""
    names, cursor = [], None
    while True:
        page = JobLists(shop.database).search(shop.team, JobFilter(**wanted), ordering, cursor, limit)
        names += [job.name for job in page.items]
        if (cursor := page.next_cursor) is None:
            return names


def named(shop: Shop, *names: str, **fields: Any) -> dict[str, str]:
    """Jobs of these names; their ids."""
    asked = shop.asked()
    return {name: shop.jobs.submit(shop.team, replace(asked, name=name, **fields)).id for name in names}


def succeed(shop: Shop, job_id: str, **figures: float) -> None:
    claim = shop.claimed(shop.jobs.get(shop.team, job_id))
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [], "met", ResultSummary(**figures))


def test_every_sort_has_every_job_once_and_those_that_lack_the_value_last(shop: Shop) -> None:
    ids = named(shop, "Zeta", "alpha", "Beta", "gamma", "delta")
    succeed(shop, ids["alpha"], memory_saving=0.25, accuracy_drop=0.02)
    succeed(shop, ids["Beta"], memory_saving=0.5, disagreement=0.01)
    succeed(shop, ids["gamma"], memory_saving=0.25, accuracy_drop=-0.001)
    shop.jobs.cancel(shop.team, ids["Zeta"])
    expected = {
        JobSort.CREATED: ["delta", "gamma", "Beta", "alpha", "Zeta"],
        JobSort.FINISHED: ["Zeta", "gamma", "Beta", "alpha", "delta"],
        JobSort.SAVING: ["Beta", "gamma", "alpha", "delta", "Zeta"],
        JobSort.DROP: ["gamma", "Beta", "alpha", "delta", "Zeta"],
        JobSort.NAME: ["alpha", "Beta", "delta", "gamma", "Zeta"],
    }
    for sort, names in expected.items():
        assert listed(shop, Ordering(by=sort)) == names, sort
        other = SortOrder.ASCENDING if sort.usual_order is SortOrder.DESCENDING else SortOrder.DESCENDING
        turned = listed(shop, Ordering(by=sort, order=other), 3)
        without = [name for name in ("delta", "Zeta") if sort in (JobSort.SAVING, JobSort.DROP)]
        without = without or (["delta"] if sort is JobSort.FINISHED else [])
        assert turned == names[: len(names) - len(without)][::-1] + without, sort


def test_a_cursor_belongs_to_its_sort_and_is_made_by_this_server(shop: Shop) -> None:
    named(shop, "a", "b", "c")
    lists = JobLists(shop.database)
    by_name = Ordering(by=JobSort.NAME)
    cursor = lists.search(shop.team, ordering=by_name, limit=1).next_cursor
    assert cursor is not None
    for other in (Ordering(), Ordering(by=JobSort.SAVING), Ordering(by=JobSort.NAME, order=SortOrder.DESCENDING)):
        with pytest.raises(InvalidCursor):
            lists.search(shop.team, ordering=other, cursor=cursor)
    for forged in ("", "é", "AAAA", "W10", "WyJuYW1lLWFzYyIse30sImpvYl8xIl0", cursor[:-3], "W" * 2000):
        with pytest.raises(InvalidCursor):
            lists.search(shop.team, ordering=by_name, cursor=forged)


def test_jobs_are_found_by_what_they_have(shop: Shop) -> None:
    with acting(Actor(kind=ActorKind.USER, name="ann@example.org", id="usr_1")):
        ids = named(shop, "one", "two", tags=("paper", "Größe 5"), note="for the table, 100 %")
    with acting(Actor(kind=ActorKind.KEY, name="ci", id="key_1")):
        ids |= named(shop, "three", tags=("paper",))
    succeed(shop, ids["three"], memory_saving=0.1, accuracy_drop=0.0)
    one = shop.jobs.get(shop.team, ids["one"])
    with shop.database.session() as session:  # as a worker finds out that reads them
        session.execute(update(ContentRow).where(ContentRow.team_id == shop.team).values(sha256="ab" * 32))
    assert (one.tags, one.note, one.submitted_by) == (("paper", "Größe 5"), "for the table, 100 %", "ann@example.org")
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"tags": ("paper",)}, {"one", "two", "three"}),
        ({"tags": ("paper", "Größe 5")}, {"one", "two"}),
        ({"tags": ("Paper",)}, set()),
        ({"verdicts": ("met", "not_proven")}, {"three"}),
        ({"states": (JobState.QUEUED,)}, {"one", "two"}),
        ({"submitted_by": "ci"}, {"three"}),
        ({"text": "100 %"}, {"one", "two"}),
        ({"text": "100_%"}, set()),
        ({"text": "Größe 5"}, {"one", "two"}),
        ({"text": ids["two"]}, {"two"}),
        ({"checkpoint_id": one.checkpoint_id}, {"one", "two", "three"}),  # three's is of the same bytes
        ({"upload_id": one.checkpoint_id}, {"one", "two"}),
        ({"dataset_id": one.dataset_id, "text": "thr"}, {"three"}),
        ({"dataset_id": one.checkpoint_id, "upload_id": "upl_0"}, set()),
    ]
    for wanted, names in cases:
        assert {*listed(shop, Ordering(), **wanted)} == names, wanted
    [found] = JobLists(shop.database).search(shop.team, JobFilter(submitted_by="ci")).items
    assert (found.checkpoint_name, found.dataset_name) == ("a checkpoint", "a dataset")
    assert (found.budget, found.submitter_kind) == ({"max_accuracy_drop": 0.03}, "key")
    choices = JobChoices(shop.database).of(shop.team)
    assert {(one.value, one.jobs) for one in choices.tags} == {("paper", 3), ("Größe 5", 2)}
    assert {(one.value, one.jobs) for one in choices.submitters} == {("ci", 1), ("ann@example.org", 2)}
    assert [(one.label, one.jobs) for one in choices.checkpoints] == [("a checkpoint", 3)]
    assert [one.jobs for one in choices.datasets] == [3]


def test_tags_are_tidied_and_refused_where_they_are_too_many_or_too_long(shop: Shop) -> None:
    [job] = named(shop, "a", tags=("  two   words ", "two words", "\u202e", "x\x07y")).values()
    assert shop.jobs.get(shop.team, job).tags == ("two words", "x y")
    upkeep = JobUpkeep(shop.database)
    for wrong in ([f"t{n}" for n in range(11)], ["x" * 41], ["a,b"]):
        with pytest.raises(Invalid):
            upkeep.describe(shop.team, job, tags=wrong)
    upkeep.describe(shop.team, job, tags=["new"])
    upkeep.describe(shop.team, job, note="seen")
    assert (shop.jobs.get(shop.team, job).tags, shop.jobs.get(shop.team, job).note) == (("new",), "seen")
    assert listed(shop, Ordering(), tags=("two words",)) == []
    written = AuditLog(shop.database).search(shop.team).items
    assert [(one.action, one.subject) for one in written[:2]] == [("job.note", job), ("job.tag", job)]


def test_what_is_archived_is_left_out_until_it_is_not_and_keeps_what_it_has(shop: Shop) -> None:
    ids, upkeep = named(shop, "done", "old", "waits"), JobUpkeep(shop.database)
    succeed(shop, ids["done"], memory_saving=0.1, accuracy_drop=0.0)
    shop.jobs.cancel(shop.team, ids["old"])
    with pytest.raises(Conflict, match="'waits'"):
        upkeep.archive(shop.team, [*ids.values()])
    assert len(listed(shop, Ordering())) == 3
    assert upkeep.archive(shop.team, [ids["done"], ids["old"]]) == 2
    assert upkeep.archive(shop.team, [ids["done"], ids["done"]]) == 0
    assert listed(shop, Ordering()) == ["waits"]
    assert listed(shop, Ordering(), archived=Archived.ONLY) == ["old", "done"]
    assert len(listed(shop, Ordering(), archived=Archived.INCLUDE)) == 3
    assert shop.jobs.get(shop.team, ids["done"]).verdict == "met"
    assert upkeep.unarchive(shop.team, [ids["done"]]) == 1
    assert listed(shop, Ordering()) == ["waits", "done"]
    actions = [one.action for one in AuditLog(shop.database).search(shop.team).items]
    assert actions[:3] == ["job.unarchive", "job.archive", "job.archive"]


def test_another_teams_jobs_are_not_listed_chosen_tagged_or_archived(shop: Shop) -> None:
    [job] = named(shop, "ours", tags=("secret",)).values()
    shop.jobs.cancel(shop.team, job)
    other, upkeep = TeamService(shop.database).create_team("others").team_id, JobUpkeep(shop.database)
    upload = shop.jobs.get(shop.team, job).checkpoint_id
    lists = JobLists(shop.database)
    for wanted in (JobFilter(), JobFilter(tags=("secret",)), JobFilter(text=job), JobFilter(checkpoint_id=upload)):
        assert lists.search(other, replace(wanted, archived=Archived.INCLUDE)).items == ()
    assert lists.some(other, [job]) == []
    assert JobChoices(shop.database).of(other).tags == ()
    assert UploadUses(shop.database).of(other, [upload]) == {}
    for act in (upkeep.archive, upkeep.unarchive):
        with pytest.raises(NotFound) as foreign:
            act(other, [job])
        with pytest.raises(NotFound) as missing:
            act(other, [job.replace("job_", "job_z")])
        assert foreign.value.message.replace(job, "") == missing.value.message.replace(job.replace("job_", "job_z"), "")
    with pytest.raises(NotFound):
        upkeep.describe(other, job, tags=["theirs"])
    assert shop.jobs.get(shop.team, job).tags == ("secret",)


def test_an_upload_in_use_names_its_jobs_before_it_is_deleted(shop: Shop) -> None:
    ids = named(shop, *(f"job {number}" for number in range(7)))
    upload = shop.jobs.get(shop.team, ids["job 0"]).checkpoint_id
    uses = UploadUses(shop.database)
    use = uses.of(shop.team, [upload])[upload]
    assert (use.jobs, [job.name for job in use.newest]) == (7, ["job 6", "job 5", "job 4", "job 3", "job 2"])
    with pytest.raises(UploadInUse, match=r"'job 6'.* and 2 more"):
        uses.check_unused(shop.team, upload, "model.pth")
    shop.set(ids["job 0"], train_dataset_id=shop.jobs.get(shop.team, ids["job 0"]).dataset_id)
    data = shop.jobs.get(shop.team, ids["job 0"]).dataset_id
    assert uses.of(shop.team, [data])[data].jobs == 7


def test_a_table_has_every_job_and_no_formula(shop: Shop) -> None:
    ids = named(shop, "=HYPERLINK(1)", "@x", " -2+3", "fine", tags=("+1",), note="=1\n=2")
    succeed(shop, ids["fine"], memory_saving=0.25, accuracy_drop=-0.01)
    shop.set(ids["fine"], finished_at=now() - timedelta(days=1))
    text = "".join(as_csv(JobLists(shop.database).all(shop.team, ordering=Ordering(by=JobSort.NAME))))
    rows = [*csv.DictReader(io.StringIO(text))]
    assert tuple(rows[0]) == COLUMNS
    assert {row["name"] for row in rows} == {"'=HYPERLINK(1)", "'@x", "'-2+3", "fine"}
    assert {(row["tags"], row["note"]) for row in rows} == {("'+1", "'=1\n=2")}
    [fine] = [row for row in rows if row["name"] == "fine"]
    assert (fine["memory_saving"], fine["accuracy_drop"], fine["budget_max_accuracy_drop"]) == ("0.25", "-0.01", "0.03")
