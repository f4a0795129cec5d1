from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.states import UploadKind
from app.jobs.records import NewJob
from app.jobs.states import JobState
from app.workers.records import WorkerState
from primesvt_client.facts import CheckpointFacts, ProblemFacts
from primesvt_core.types import Verdict
from tests.support.browsing import get, post
from tests.support.dashboard import BUDGET, Dashboard, progress, sample_report

HOSTILE = '<img src=x onerror="alert(1)">&</script><script>alert(2)</script>'


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def test_empty_lists_say_what_to_do(board: Dashboard) -> None:
    team = board.team()
    assert "No jobs yet" in get(board, team, "/").text
    assert "No job fits" in get(board, team, "/?q=nothing").text
    assert "No uploads yet" in get(board, team, "/uploads").text


def test_the_list_shows_what_people_look_for(board: Dashboard) -> None:
    team = board.team()
    board.succeeded(team, "Night run")
    board.failed(team, "Broken", "x", "y")
    text = get(board, team, "/").text
    for told in ("Night run", "Succeeded", "26.7 %", "1.89 points", "spikformer-cifar10.pth", "Spikformer", "Failed"):
        assert told in text
    only = get(board, team, "/?state=failed&q=rok").text
    assert "Broken" in only
    assert "Night run" not in only
    assert "Night run" not in get(board, team, "/?state=active").text


def test_the_list_goes_on_page_by_page_and_htmx_gets_rows_alone(board: Dashboard) -> None:
    team = board.team()
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "a.pth")
    data = board.ready(team, UploadKind.DATASET, "a.npz")
    for number in range(26):
        asked = NewJob(
            checkpoint_id=checkpoint.id, dataset_id=data.id, spec={"budget": BUDGET}, name=f"run {number:02}"
        )
        board.services.jobs.submit(team.id, asked)
    first = get(board, team, "/?q=run").text
    assert first.count("run ") >= 25
    assert 'rel="next"' in first
    following = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    second = get(board, team, following).text
    assert second.count('id="link-job_') == 1
    assert "Newest" in second
    rows = get(board, team, "/?q=run", {"HX-Request": "true"}).text
    assert rows.count('id="link-job_') == 25
    assert "<html" not in rows
    assert get(board, team, "/?cursor=%C3%A9").status_code == 400


def test_what_clients_wrote_is_escaped_everywhere(board: Dashboard) -> None:
    team = board.team()
    report = sample_report(class_name=HOSTILE, notes=(HOSTILE,))
    hostile = report.model_copy(
        update={
            "layers": tuple(x.model_copy(update={"name": HOSTILE}) for x in report.layers),
            "profile": tuple(x.model_copy(update={"group": HOSTILE}) for x in report.profile),
        }
    )
    done = board.succeeded(team, HOSTILE, hostile)
    failed = board.failed(team, HOSTILE, HOSTILE, HOSTILE)
    running, claim = board.running(team, HOSTILE, told=0)
    cell = progress()[10]
    facts = cell.facts.model_copy(update={"group": HOSTILE})
    board.jobs.heartbeat(claim, [cell.model_copy(update={"note": HOSTILE, "facts": facts})])
    board.ready(team, UploadKind.CHECKPOINT, HOSTILE, CheckpointFacts(family=HOSTILE, title=HOSTILE, variant=HOSTILE))
    board.refused(team, HOSTILE, HOSTILE, HOSTILE)
    addresses = ["/", "/uploads", "/new", f"/new?like={done.id}", f"/?q={HOSTILE}"]
    addresses += [f"/jobs/{job.id}" for job in (done, failed, running)]
    for address in [*addresses, f"/jobs/{running.id}/live", f"/jobs/{HOSTILE[:20]}"]:
        text = get(board, team, address).text
        assert "<img" not in text, address
        assert "<script>" not in text, address


def test_a_finished_job_tells_the_result_in_words_numbers_and_pictures(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    text = get(board, team, f"/jobs/{job.id}").text
    for told in ("Budget met", "26.7 %", "91.23 %", "93.12 % before", "at most 2.46 points", "4,000 images"):
        assert told in text
    assert text.count('role="img"') == 2
    assert "accuracy floor" in text
    assert "allowed drop" in text
    assert "block.0.mlp.fc1" in text
    assert "1536\u00d7384" in text
    assert "2.2 MiB" in text
    for artifact in board.services.jobs.artifacts(team.id, job.id):
        assert artifact.name in text
        assert artifact.sha256 in text
    assert f"/api/v1/jobs/{job.id}/artifacts/figures/robustness.png" in text


def test_every_verdict_is_put_in_plain_words(board: Dashboard) -> None:
    team = board.team()
    for verdict, told in (
        (Verdict.ACCURACY_FLOOR_REACHED, "cannot be had within the accuracy floor"),
        (Verdict.NOTHING_PRUNABLE, "This is the original model"),
    ):
        job = board.succeeded(team, report=sample_report(verdict))
        assert told in get(board, team, f"/jobs/{job.id}").text


def test_layers_are_sorted_as_asked(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    by_size = get(board, team, f"/jobs/{job.id}").text
    by_name = get(board, team, f"/jobs/{job.id}?sort=name").text
    assert by_size.index("block.3.mlp.fc2") < by_size.index("block.0.attn.v</td>") < by_size.index("<td>head")
    assert by_name.index("<td>block.0.attn.q") < by_name.index("<td>block.0.mlp.fc1") < by_name.index("<td>head")
    assert get(board, team, f"/jobs/{job.id}?sort=nonsense").status_code == 200


def test_a_report_that_cannot_be_read_leaves_the_summary_and_the_files(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    board.services.store.put(f"artifacts/{job.id}/report.json", [b'{"schema_version": 99}'])
    text = get(board, team, f"/jobs/{job.id}").text
    assert "cannot be drawn here" in text
    assert "26.7 %" in text
    assert "model.safetensors" in text


def test_a_running_job_shows_its_step_and_what_it_measured(board: Dashboard) -> None:
    team = board.team()
    job, claim = board.running(team, told=30)
    text = get(board, team, f"/jobs/{job.id}").text
    for told in ("Profile every channel group", "24 of 82", "Running", f"/api/v1/jobs/{job.id}/events", "Cancel"):
        assert told in text
    assert '<li class="current" aria-current=step>Profile every channel group' in text
    assert "It appears when the search begins" in text
    live = get(board, team, f"/jobs/{job.id}/live", {"HX-Request": "true"})
    assert "24 of 82" in live.text
    assert "hx-refresh" not in live.headers
    board.jobs.fail(claim, ProblemFacts(code="data_error", detail="the images are gone; upload them again"))
    assert get(board, team, f"/jobs/{job.id}/live").headers["hx-refresh"] == "true"


def test_waiting_failed_and_repeated_jobs_say_why_and_what_to_do(board: Dashboard) -> None:
    team = board.team()
    waiting = get(board, team, f"/jobs/{board.queued(team).id}").text
    assert "Number 1 in the queue" in waiting
    failed = board.failed(team, "", "baseline_near_chance", "the data set does not fit; check T")
    text = get(board, team, f"/jobs/{failed.id}").text
    for told in ("the data set does not fit; check T", "baseline_near_chance", "Try again", 'class="stopped"'):
        assert told in text
    again, claim = board.running(team, told=3)
    board.jobs.release(claim, ProblemFacts(code="worker_lost", detail="the child died"))
    assert "again, because the child died" in get(board, team, f"/jobs/{again.id}").text


def test_buttons_cancel_retry_and_delete(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    assert post(board, team, f"/jobs/{job.id}/cancel").headers["location"] == f"/jobs/{job.id}"
    assert board.services.jobs.get(team.id, job.id).state is JobState.CANCELLED
    again = post(board, team, f"/jobs/{job.id}/retry").headers["location"]
    assert again != f"/jobs/{job.id}"
    assert "an earlier job" in get(board, team, again).text
    assert post(board, team, f"/jobs/{job.id}/delete").headers["location"] == "/"
    assert get(board, team, f"/jobs/{job.id}").status_code == 404
    refused = post(board, team, f"{again}/delete")
    assert refused.status_code == 409
    assert "cancel it first" in refused.text


def test_people_get_pages_of_errors_and_programs_get_problems(board: Dashboard) -> None:
    team = board.team()
    lost = get(board, team, "/nothing")
    assert lost.status_code == 404
    assert "There is no such page" in lost.text
    assert "Sign out" in lost.text
    assert get(board, team, "/nothing", {"Accept": "application/json"}).json()["code"] == "not_found"
    assert get(board, team, "/api/v1/jobs/none").headers["content-type"] == "application/problem+json"


def test_our_own_faults_are_told_without_their_details(board: Dashboard) -> None:
    @board.app.get("/fault")
    def fault() -> None:
        raise RuntimeError("secret detail")

    answer = get(board, None, "/fault")
    assert answer.status_code == 500
    assert "Something went wrong in the server" in answer.text
    assert "secret detail" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


def test_without_the_built_scripts_pages_still_show_charts_and_reload_by_themselves(
    board: Dashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "static"
    bare.mkdir()
    (bare / "primesvt.css").write_text("")
    (bare / "icon.svg").write_text("")
    monkeypatch.setattr("app.web.rendering.STATIC", bare)
    team = board.team()
    done = get(board, team, f"/jobs/{board.succeeded(team).id}").text
    assert "vendor/" not in done
    assert done.count("<svg") > 2
    running, _ = board.running(team)
    assert '<meta http-equiv="refresh"' in get(board, team, f"/jobs/{running.id}").text


def test_workers_are_shown_with_the_teams_own_jobs(board: Dashboard) -> None:
    ours, theirs = board.team("workers' team"), board.team("another team")
    job = board.queued(ours)
    board.services.workers.report("w1", "gpu-1", ["cpu", "cuda"], "0.1", WorkerState.BUSY, job.id)
    shown = {team.id: get(board, team, "/workers").text for team in (ours, theirs)}
    assert "<html" in shown[ours.id]
    assert f'href="/jobs/{job.id}"' in shown[ours.id]
    assert "CPU, CUDA" in shown[ours.id]
    assert job.id not in shown[theirs.id]
    assert "another team" in shown[theirs.id]
