"""The page of one job."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.catalog.states import UploadKind
from app.jobs.states import JobState
from app.teams.scopes import Scope
from primesvt_client.facts import ProblemFacts
from primesvt_client.presets import DEFAULT_PRESET
from primesvt_client.verdicts import VERDICTS
from primesvt_core.report.schema import Report
from primesvt_core.types import Verdict
from tests.support.browsing import attributes, codes, forms_of, get, post, text_of
from tests.support.dashboard import Dashboard, Team, sample_report
from tests.support.finished_runs import finished_on
from tests.support.old_reports import version_1


def chart_data(page: str) -> dict[str, Any]:
    """What the script draws."""
    found = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def cells(page: str, table: str) -> list[list[str]]:
    """Cells of a table's rows."""
    body = page.split(f'<table id="{table}"', 1)[1].split("</table>", 1)[0]
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.split(r"<tr[^>]*>", body)[2:]]


def test_a_finished_job_shows_its_result_in_figures_tables_and_charts(board: Dashboard) -> None:
    team, report = board.team(), sample_report()
    job = board.succeeded(team)
    text = get(board, team, f"/jobs/{job.id}").text
    assert attributes(text, "data-verdict") == ["met"]
    figures = {
        "memory_saving": ("26.7 %", "35.572 → 26.083 MiB"), "macs": ("26.7 %", "3.7300 → 2.7350 billion"),
        "pruned_accuracy": ("91.23 %", "93.12 %"),
        "accuracy_drop": ("1.89 points", "2.46 points", "95 %", "4,000"),
    }  # fmt: skip
    for name, values in figures.items():
        for value in values:
            assert value in text_of(text, "data-figure", name)
    assert chart_data(text)["lines"]["allowed_drop"] == pytest.approx(3)
    assert chart_data(text)["lines"]["target"] == pytest.approx(25)
    steps = cells(text, "steps-table")
    assert [row[5] for row in steps[-2:]] == ["confirmed", "not confirmed"]
    assert len(steps) == len(report.curve)
    losses = [cell for row in cells(text, "robustness-table") for cell in row[:-1]]
    assert len(losses) == len(report.profile)
    assert text_of(text, "data-line", "allowed_drop") == "3.00 points"
    assert text_of(text, "data-setting", "min_memory_saving") == "25.00 %"
    assert DEFAULT_PRESET in text_of(text, "data-setting", "preset")
    assert "block.0.mlp.fc1" in attributes(text, "data-layer")
    assert "1536\u00d7384" in text
    assert "2.25 MiB" in text
    for artifact in board.services.jobs.artifacts(team.id, job.id):
        assert artifact.name in text
        assert artifact.sha256 in text
    assert f"/api/v1/jobs/{job.id}/artifacts/figures/robustness.png" in text


def test_candidates_of_a_search_by_divergence_have_no_group_and_are_not_called_original(board: Dashboard) -> None:
    team, report = board.team(), sample_report()
    curve = tuple(point.model_copy(update={"group": None}) for point in report.curve)
    job = board.succeeded(team, report=report.model_copy(update={"curve": curve}))
    names = [row[0].split(" ")[0] for row in cells(get(board, team, f"/jobs/{job.id}").text, "steps-table")]
    assert names == ["original", *["candidate"] * (len(curve) - 1)]


def test_what_the_model_was_taken_for_and_the_numbers_of_its_classes_are_shown(board: Dashboard) -> None:
    team = board.team()
    text = get(board, team, f"/jobs/{board.succeeded(team).id}").text
    assert attributes(text, "data-assumption") == ["time_steps"]
    assert "0&nbsp;airplane, 1&nbsp;automobile" in text


def test_the_five_classes_that_lose_most_are_shown(board: Dashboard) -> None:
    team = board.team()
    rows = cells(get(board, team, f"/jobs/{board.succeeded(team).id}").text, "classes-table")
    assert [row[0] for row in rows] == ["airplane", "class 1", "class 2", "class 3", "class 4"]
    assert rows[0] == ["airplane", "400", "380", "348", "8.00 points"]
    spared = sample_report().model_copy(update={"classes": sample_report().classes[-2:]})
    assert "None of 2 classes" in get(board, team, f"/jobs/{board.succeeded(team, report=spared).id}").text
    older = sample_report().model_copy(update={"classes": ()})
    assert 'id="classes"' not in get(board, team, f"/jobs/{board.succeeded(team, report=older).id}").text


@pytest.mark.parametrize("verdict", [*Verdict])
def test_every_verdict_is_explained(board: Dashboard, verdict: Verdict) -> None:
    team = board.team()
    report = sample_report(verdict)
    job = board.succeeded(team, report=report)
    text = get(board, team, f"/jobs/{job.id}").text
    assert attributes(text, "data-verdict") == [verdict.value]
    assert VERDICTS[verdict].title in text
    assert report.meaning in text


def test_layers_are_sorted_as_asked(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    by_size = get(board, team, f"/jobs/{job.id}").text
    by_name = get(board, team, f"/jobs/{job.id}?sort=name").text
    sizes = {layer.name: layer.parameter_bytes_before for layer in sample_report().layers}
    shown = attributes(by_size, "data-layer")
    assert [sizes[name] for name in shown] == sorted(sizes.values(), reverse=True)
    assert attributes(by_name, "data-layer") == sorted(sizes)
    assert get(board, team, f"/jobs/{job.id}?sort=nonsense").status_code == 200


def test_a_report_that_cannot_be_read_leaves_the_summary_and_the_files(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    board.services.store.put(f"artifacts/{job.id}/report.json", [b'{"schema_version": 99}'])
    text = get(board, team, f"/jobs/{job.id}").text
    assert 'id="report-unreadable"' in text
    assert "26.7 %" in text
    assert "model.safetensors" in text


def test_a_report_of_version_1_is_shown_without_what_it_lacks(board: Dashboard) -> None:
    team = board.team()
    report = version_1(sample_report())
    job = board.succeeded(team, report=Report.model_validate(report))
    board.services.store.put(f"artifacts/{job.id}/report.json", [json.dumps(report).encode()])
    text = get(board, team, f"/jobs/{job.id}").text
    assert "2.46 points" in text_of(text, "data-figure", "accuracy_drop")
    assert 'id="report-unreadable"' not in text
    assert 'data-figure="macs"' not in text
    assert 'data-measured="energy"' not in text
    assert "energy" in text_of(text, "id", "absent")


def test_a_running_job_shows_its_step_and_what_it_measured(board: Dashboard) -> None:
    team = board.team()
    job, claim = board.running(team, reports=30)
    text = get(board, team, f"/jobs/{job.id}").text
    assert attributes(text, "data-state")[0] == "running"
    assert attributes(text, "data-events") == [f"/api/v1/jobs/{job.id}/events"]
    assert attributes(text, "data-done") + attributes(text, "data-total") == ["24", "82"]
    assert '<li class="current" data-step="profile" aria-current=step>' in text
    assert f"/jobs/{job.id}/cancel" in forms_of(text)
    assert 'id="memory-figure"' in text
    assert 'id="memory-table"' not in text  # nothing was searched yet
    assert len([cell for row in cells(text, "robustness-table") for cell in row[:-1] if "." in cell]) == 24
    live = get(board, team, f"/jobs/{job.id}/live", {"HX-Request": "true"})
    assert attributes(live.text, "data-done") == ["24"]
    assert "hx-refresh" not in live.headers
    board.jobs.fail(claim, ProblemFacts(code="data_error", detail="the images are gone; upload them again"))
    assert get(board, team, f"/jobs/{job.id}/live").headers["hx-refresh"] == "true"


def test_waiting_failed_and_repeated_jobs_say_why_and_what_to_do(board: Dashboard) -> None:
    team = board.team()
    waiting = get(board, team, f"/jobs/{board.queued(team).id}").text
    assert attributes(waiting, "data-position") == ["1"]
    failed = board.failed(team, "", "baseline_near_chance", "the data set does not fit; check T")
    text = get(board, team, f"/jobs/{failed.id}").text
    assert "the data set does not fit; check T" in text
    assert codes(text) == ["baseline_near_chance"]
    assert f"/jobs/{failed.id}/retry" in forms_of(text)
    assert '<li class="stopped" data-step="sort">' in text
    assert f"/new?like={failed.id}&amp;change=class_order" in text
    again, claim = board.running(team, reports=3)
    board.jobs.release(claim, ProblemFacts(code="worker_lost", detail="the child died"))
    assert "the child died" in get(board, team, f"/jobs/{again.id}").text


def test_files_stand_in_the_order_of_use_and_come_as_one(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team, more={"report.html": b"<b>read me</b>"})
    text = get(board, team, f"/jobs/{job.id}").text
    names = [re.sub(r"<[^>]+>", "", row[0].split("<br>")[0]) for row in cells(text, "downloads-table")]
    assert names == ["model.safetensors", "report.html", "report.json", "layers.csv", "figures/robustness.png"]
    assert f'id="bundle" href="/api/v1/jobs/{job.id}/bundle"' in text
    assert f'src="/jobs/{job.id}/report"' in text


def test_the_report_is_shown_in_a_sandbox_to_its_team_alone(board: Dashboard) -> None:
    team, hostile = board.team(), b"<script>alert(1)</script>"
    job = board.succeeded(team, more={"report.html": hostile})
    shown = get(board, team, f"/jobs/{job.id}/report")
    policy = shown.headers["content-security-policy"]
    assert (shown.status_code, shown.content, shown.headers["content-type"]) == (
        200,
        hostile,
        "text/html; charset=utf-8",
    )
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert "allow-" not in policy
    page = get(board, team, f"/jobs/{job.id}")
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert " sandbox loading=lazy" in page.text.replace('"', "")
    without = board.succeeded(team)
    assert get(board, team, f"/jobs/{without.id}/report").status_code == 404
    assert "<iframe" not in get(board, team, f"/jobs/{without.id}").text
    for address in (f"/jobs/{job.id}", f"/jobs/{job.id}/report", f"/jobs/{job.id}/log"):
        assert get(board, board.team("others"), address).status_code == 404


def test_points_of_the_curve_lead_to_another_budget(board: Dashboard) -> None:
    team = board.team()
    elsewhere = board.succeeded(team)  # of another version: it is searched anew
    text = get(board, team, f"/jobs/{elsewhere.id}").text
    offered = attributes(text, "data-take")
    assert len(offered) == len(sample_report().curve) - 1  # all but the original
    assert f"/new?like={elsewhere.id}&amp;max_accuracy_drop={offered[0]}" in text
    assert chart_data(text)["delivered"]["bound"] == pytest.approx(2.46)
    here = finished_on(board, team)
    text = get(board, team, f"/jobs/{here}?max_accuracy_drop=2.75").text
    assert f"/jobs/{here}?max_accuracy_drop={attributes(text, 'data-take')[0]}#another-budget" in text
    assert 'name="max_accuracy_drop" value="2.75"' in text
    assert "data-take" not in get(board, reading_only(board, team), f"/jobs/{here}").text


def reading_only(board: Dashboard, team: Team) -> Team:
    key = board.services.keys.create(team.id, "reads", frozenset({Scope.JOBS_READ, Scope.ARTIFACTS_READ}))
    principal = board.services.keys.authenticate(key.secret)
    return replace(team, secret=key.secret, session=board.services.sessions.open(principal))


def test_a_job_says_who_submitted_it_and_how_it_is_made_again(board: Dashboard) -> None:
    team = board.team()
    files = {kind: board.ready(team, kind, f"{kind}.bin").id for kind in UploadKind}
    fields = {
        "checkpoint_id": files[UploadKind.CHECKPOINT],
        "dataset_id": files[UploadKind.DATASET],
        "max_accuracy_drop": "2",
    }
    address = post(board, team, "/new", fields).headers["location"]
    text = get(board, team, address).text
    key = board.services.keys.authenticate(team.secret)
    assert f"<span data-submitter>{key.name}</span>" in text
    assert text_of(text, "id", "job-id") == address.removeprefix("/jobs/")
    assert text_of(text, "id", "command").startswith(
        "primesvt submit checkpoint.bin --data dataset.bin --max-accuracy-drop 0.02"
    )
    finished = get(board, team, f"/jobs/{board.succeeded(team).id}").text
    assert "b" * 64 in finished
    assert text_of(finished, "data-version", "primesvt") == "0.1.0"


def test_the_log_is_fetched_again_while_a_job_runs(board: Dashboard) -> None:
    team = board.team()
    job, _ = board.running(team, reports=12)
    assert f'hx-get="/jobs/{job.id}/log"' in get(board, team, f"/jobs/{job.id}").text
    log = get(board, team, f"/jobs/{job.id}/log").text
    assert f'hx-get="/jobs/{job.id}/log"' in log
    assert log.index("accuracy") < log.index("Queued")  # newest first


HOSTILE = "\"><script>alert(1)</script>'{{7*7}}"


def test_names_from_elsewhere_stay_texts(board: Dashboard) -> None:
    team, report = board.team(), sample_report(class_name=HOSTILE, notes=(HOSTILE,))
    odd = report.model_copy(
        update={
            "layers": (report.layers[0].model_copy(update={"name": HOSTILE}), *report.layers[1:]),
            "curve": tuple(
                one.model_copy(update={"group": one.group and HOSTILE, "rates": {HOSTILE: 0.5}}) for one in report.curve
            ),
            "profile": tuple(one.model_copy(update={"group": HOSTILE}) for one in report.profile),
            "environment": {HOSTILE: HOSTILE},
            "pruned": report.pruned.model_copy(update={"firing_rates": {HOSTILE: 2.5}}),
        }
    )
    job = board.succeeded(team, HOSTILE, odd)
    text = get(board, team, f"/jobs/{job.id}").text
    assert "<script>alert" not in text
    assert "49" not in text_of(text, "data-job", job.id)
    failed = board.failed(team, HOSTILE, HOSTILE, HOSTILE)
    assert "<script>alert" not in get(board, team, f"/jobs/{failed.id}").text


def test_a_report_of_nothing_is_shown(board: Dashboard) -> None:
    team, report = board.team(), sample_report()
    none = {
        "parameters": 0,
        "parameter_bytes": 0,
        "macs": 0,
        "spikes_per_image": 0.0,
        "firing_rates": {"a": 0.0},
        "samples": 0,
    }
    figures = report.baseline.model_copy(update=none)
    layer = report.layers[0].model_copy(update={"parameter_bytes_before": 0, "parameter_bytes_after": 4})
    empty = report.model_copy(
        update={
            "baseline": figures, "pruned": figures.model_copy(update={"parameter_bytes": 4}), "layers": (layer,),
            "curve": (),
            "profile": (), "groups": (), "time_steps": (), "timings": {}, "assumptions": (), "environment": {},
            "classes": (report.classes[0].model_copy(update={"images": 0}),),
            "confirmation": report.confirmation.model_copy(update={"samples": 0, "candidates": 0}),
        }
    )  # fmt: skip
    job = board.succeeded(team, report=empty)
    page = get(board, team, f"/jobs/{job.id}")
    assert page.status_code == 200
    assert "latency" in text_of(page.text, "id", "absent")


def test_buttons_cancel_retry_and_delete(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    assert post(board, team, f"/jobs/{job.id}/cancel").headers["location"] == f"/jobs/{job.id}"
    assert board.services.jobs.get(team.id, job.id).state is JobState.CANCELLED
    again = post(board, team, f"/jobs/{job.id}/retry").headers["location"]
    assert again != f"/jobs/{job.id}"
    assert f'id="retry-of" href="/jobs/{job.id}"' in get(board, team, again).text
    assert post(board, team, f"/jobs/{job.id}/delete").headers["location"] == "/"
    assert get(board, team, f"/jobs/{job.id}").status_code == 404
    refused = post(board, team, f"{again}/delete")
    assert refused.status_code == 409
    assert codes(refused.text) == ["conflict"]


def test_without_the_built_scripts_pages_show_tables_and_reload_by_themselves(
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
    assert "data-chart" not in done
    assert done.count('<details class="data" open>') == 2
    assert "data-chart" not in get(board, team, "/results").text
    running, _ = board.running(team)
    assert '<meta http-equiv="refresh"' in get(board, team, f"/jobs/{running.id}").text
