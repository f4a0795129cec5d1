"""What cells of a job promise, on every database: each is handed out once at a time and written once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from app.db import Database
from app.errors import LostClaim
from app.jobs.cell_models import CellRow, FileRow
from app.jobs.claims import lock_claimed
from app.jobs.models import JobRow
from app.jobs.records import CellClaim, JobClaim
from primesvt_client.facts import ProblemFacts, ResultSummary
from tests.support.shop import HEAD_START_SECONDS, MODEL, PROBLEM, Shop
from worker.persistence import delete_leftovers

CELLS = {f"search/{number}": {"group": number / 10} for number in range(12)}
VALUES = {key: "0101" + key for key in CELLS}


@pytest.fixture(autouse=True)
def nothing_else(database: Database) -> None:
    with database.session() as session:
        session.execute(delete(JobRow))


def published(shop: Shop) -> JobClaim:
    claim = shop.claimed()
    shop.cells.publish(claim, CELLS, {})
    return claim


def helper(shop: Shop, owner: str = "helper") -> CellClaim:
    claim = shop.cells.help(owner, ["cpu"])
    assert claim is not None
    return claim


def test_what_all_must_have_the_same_is_there_before_anybody_helps(shop: Shop) -> None:
    common = {"order": [2, 0, 1], "scores/l2/embedding": [0.1, 1e-17], "scores/l2/block.0.attn.qk": [3.0]}
    claim = shop.claimed()
    shop.cells.publish(claim, CELLS, {**common, "search/original": "01", "ordered": "else", "scoresheet": "else"})
    other = helper(shop)
    found = shop.cells.common(other)
    assert {key: found[key] for key in common} == common
    assert {*found}.isdisjoint({"search/original", "scoresheet", *CELLS})
    shop.cells.assist(other, {"order": "of the helper's own"}, limit=1)
    assert shop.cells.common(other) == found
    assert shop.cells.known(claim)["order"] == [2, 0, 1]


def test_names_that_plug_ins_of_others_chose_may_be_long(shop: Shop) -> None:
    name = f"scores/{'a' * 100}/{'block.0.' * 30}"
    claim = shop.claimed()
    shop.cells.publish(claim, CELLS, {name: [1.0]})
    assert shop.cells.common(helper(shop))[name] == [1.0]


def test_cells_are_handed_out_from_both_ends_until_none_are_left(shop: Shop) -> None:
    claim = published(shop)
    other = helper(shop)
    keys = [*CELLS]
    mine, found = shop.cells.share(claim, {}, 3, keys)
    assert (mine, found) == ({key: CELLS[key] for key in keys[:3]}, {})
    assert [*shop.cells.assist(other, {}, limit=2)] == [keys[11], keys[10]]
    rest = [key for key in keys if key not in mine and key not in keys[10:]]
    computed = {key: VALUES[key] for key in mine}
    while rest:
        mine, found = shop.cells.share(claim, computed, 100, keys)
        assert [*mine] == rest[: len(mine)]  # a part of what is left, so that nobody waits for one at the end
        assert 1 <= len(mine) <= -(-len(rest) // 4)
        rest, computed = rest[len(mine) :], {key: VALUES[key] for key in mine}
    assert shop.cells.share(claim, computed, 100, keys[10:]) == ({}, {})
    shop.cells.assist(other, {key: VALUES[key] for key in keys[10:]})
    assert shop.cells.share(claim, {}, 100, keys[10:]) == ({}, {key: VALUES[key] for key in keys[10:]})
    assert shop.cells.known(claim) == VALUES
    assert shop.cells.help("another", ["cpu"]) is None


def test_workers_that_ask_at_once_get_different_cells(shop: Shop) -> None:
    claim = published(shop)
    others = [helper(shop, f"h{number}") for number in range(4)]
    with ThreadPoolExecutor(5) as pool:
        own = pool.submit(shop.cells.share, claim, {}, 2, CELLS)
        given = [*pool.map(lambda other: shop.cells.assist(other, {}, limit=2), others)]
    got = [key for cells in (own.result()[0], *given) for key in cells]
    assert len(got) == len(set(got)) > 5


def test_what_a_helper_does_not_hold_any_more_it_does_not_write(shop: Shop) -> None:
    claim = published(shop)
    lost, other = helper(shop, "lost"), helper(shop, "other")
    [key] = shop.cells.assist(lost, {}, limit=1)
    shop.forget_workers()
    shop.queue.heartbeat(claim)
    shop.cells.reconcile(shop.cell_leases)
    assert [*shop.cells.assist(other, {}, limit=1)] == [key]
    shop.cells.assist(lost, {key: "made up"})
    assert shop.cells.known(claim) == {}
    shop.cells.assist(other, {key: VALUES[key]})
    shop.cells.assist(lost, {key: "made up"})
    shop.queue.heartbeat(claim, cells={key: "made up, too"})
    assert shop.cells.known(claim) == {key: VALUES[key]}


def test_a_helper_that_stops_and_the_jobs_worker_do_not_wait_for_each_other(shop: Shop) -> None:
    """Both write many cells, in whatever order: all do so under the lock of the job."""
    claim = published(shop)
    other = helper(shop)
    while shop.cells.assist(other, {}, limit=100):
        pass
    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            lock_claimed(session, claim)
            rows = session.scalars(select(CellRow).where(CellRow.job_id == claim.job_id).order_by(CellRow.number)).all()
            rows[-1].value = "last"
            session.flush()
            stopping = pool.submit(shop.cells.release, other)
            wait([stopping], timeout=HEAD_START_SECONDS)
            for row in rows:
                row.value = "computed"
        stopping.result()
    assert {*shop.cells.known(claim).values()} == {"computed"}


def test_a_helper_that_is_heard_of_keeps_its_cells(shop: Shop) -> None:
    claim = published(shop)
    other = helper(shop)
    [key] = shop.cells.assist(other, {}, limit=1)
    shop.forget_workers()
    shop.cells.assist(other, {})
    assert claim.job_id in shop.cells.reconcile(shop.cell_leases)
    assert shop.cells.assist(other, {key: "1"}, limit=12).keys().isdisjoint({key})
    assert shop.cells.known(claim) == {key: "1"}


def test_a_cell_that_a_helper_could_not_compute_is_for_others(shop: Shop) -> None:
    claim = published(shop)
    other = helper(shop)
    [key] = shop.cells.assist(other, {}, limit=1)
    again = shop.cells.assist(other, {}, limit=1, is_through=True)
    assert [*again] == [key]
    shop.cells.release(other)
    [third] = shop.cells.assist(other, {}, limit=1)
    shop.cells.release(other)
    # Three times is enough (max_attempts): only the job's own worker tries it again.
    assert third == key
    assert key not in shop.cells.assist(other, {}, limit=12)
    assert key in {step for _ in range(12) for step in shop.cells.share(claim, {}, 12, CELLS)[0]}


@pytest.mark.parametrize("end", ["cancel", "requeue", "succeed", "fail", "delete"])
def test_helpers_hear_within_a_heartbeat_that_a_job_does_not_run_any_more(shop: Shop, end: str) -> None:
    claim = published(shop)
    other = helper(shop)
    shop.cells.assist(other, {}, limit=1)
    if end == "cancel":
        shop.jobs.cancel(shop.team, claim.job_id)
    elif end == "requeue":
        shop.queue.release(claim, PROBLEM)
    elif end == "succeed":
        shop.queue.finalize(claim)
        shop.queue.succeed(claim, [replace(MODEL, blob_key=f"artifacts/{claim.job_id}")], "met", ResultSummary())
    else:
        shop.queue.fail(claim, PROBLEM)
    if end == "delete":
        shop.jobs.delete(shop.team, claim.job_id)
    with pytest.raises(LostClaim):
        shop.cells.assist(other, {"search/0": "1"}, limit=1)
    assert shop.cells.help("another", ["cpu"]) is None
    shop.cells.release(other)


def test_the_next_attempt_goes_on_with_what_is_there_wherever_it_runs(shop: Shop) -> None:
    claim = published(shop)
    other = helper(shop)
    mine, _ = shop.cells.share(claim, {}, 2, CELLS)
    theirs = shop.cells.assist(other, {}, limit=1)
    shop.queue.heartbeat(claim, cells={"search/start": "11", **dict.fromkeys(mine, "1")})
    mine, _ = shop.cells.share(claim, {}, 1, CELLS)
    shop.queue.release(claim, PROBLEM)
    with pytest.raises(LostClaim):
        shop.cells.share(claim, dict.fromkeys(mine, "0"), 1, CELLS)
    with pytest.raises(LostClaim):
        shop.cells.publish(claim, CELLS, {})
    again = shop.claimed(shop.job(claim))
    shop.cells.assist(other, dict.fromkeys(theirs, "1"))  # goes on with what it holds
    assert shop.cells.known(again).keys() == {"search/start", "search/0", "search/1", *theirs}
    shop.cells.publish(again, CELLS, {})
    taken, _ = shop.cells.share(again, {}, 1, CELLS)
    assert taken.keys() == mine.keys()


def test_cells_of_another_device_are_not_put_together(shop: Shop) -> None:
    claim = published(shop)
    shop.queue.heartbeat(claim, cells={"search/0": "1"})
    assert shop.cells.known(replace(claim, device="cuda")) == {}
    assert shop.cells.help("gpu", ["cuda"]) is None
    assert shop.cells.wanting("both", ["cuda", "cpu"]) == [claim.job_id]
    assert shop.cells.wanting(claim.owner, ["cpu"]) == []
    assert shop.cells.wanting("both", ["cpu"], [claim.job_id]) == []


def test_seconds_of_helpers_are_the_jobs(shop: Shop) -> None:
    claim = published(shop)
    shop.queue.heartbeat(claim, seconds=2.0)
    shop.cells.assist(helper(shop), {}, seconds=3.0)
    assert shop.job(claim).run_seconds == 5.0


def test_nothing_is_left_of_cells_and_files_once_the_job_is_over(shop: Shop) -> None:
    claim = published(shop)
    key = shop.files.begin(claim, "fine-tuned-1.safetensors")
    shop.queue.fail(claim, PROBLEM)
    assert shop.files.left_over() == [key]
    shop.files.forget([key])
    with shop.database.session() as session:
        assert [*session.scalars(select(CellRow))] == [*session.scalars(select(FileRow))] == []


@pytest.mark.s3
def test_the_newest_whole_version_of_a_file_is_handed_on(shop: Shop) -> None:
    claim = shop.claimed()
    first = shop.files.begin(claim, "fine-tuned-1.safetensors")
    assert shop.files.all(claim) == []
    assert shop.files.finish(claim, first, "a" * 64, 3) == []
    second = shop.files.begin(claim, "fine-tuned-1.safetensors")
    assert [file.blob_key for file in shop.files.all(claim)] == [first]
    assert shop.files.finish(claim, second, "b" * 64, 3) == [first]
    shop.files.forget([first])
    shop.queue.release(claim, PROBLEM)
    for write in (lambda: shop.files.begin(claim, "x"), lambda: shop.files.finish(claim, second, "c" * 64, 3)):
        with pytest.raises(LostClaim):
            write()
    again = shop.claimed(shop.job(claim))
    assert [(file.blob_key, file.sha256) for file in shop.files.all(again)] == [(second, "b" * 64)]
    shop.queue.fail(again, PROBLEM)
    shop.store.put(second, [b"abc"])
    shop.jobs.delete(shop.team, claim.job_id)
    assert shop.store.size(second) is None


@pytest.mark.s3
def test_artifacts_of_an_attempt_that_died_while_it_stored_them_are_left_over(shop: Shop) -> None:
    claim = shop.claimed()
    dead, listed = "artifacts/dead", MODEL.blob_key
    shop.files.announce(claim, {dead: "model.safetensors"})
    shop.files.announce(claim, {dead: "model.safetensors"})  # the answer got lost
    assert shop.files.all(claim) == []  # nothing that the next attempt goes on from
    shop.queue.release(claim, ProblemFacts(detail="killed"))
    shop.make_due(claim.job_id)
    again = shop.queue.claim(claim.job_id, "w")
    assert again is not None
    with pytest.raises(LostClaim):
        shop.files.announce(claim, {"artifacts/late": "model.safetensors"})
    shop.files.announce(again, {listed: "model.safetensors"})
    assert shop.files.left_over() == []
    for key in (dead, listed):
        shop.store.put(key, [b"abc"])
    shop.queue.finalize(again)
    shop.queue.succeed(again, [MODEL], "met", ResultSummary())
    assert shop.files.left_over() == [dead]
    delete_leftovers(shop.files, shop.store)
    assert [shop.store.size(key) for key in (dead, listed)] == [None, 3]
