"""Another budget for a finished job, from its page."""

from __future__ import annotations

from tests.support.browsing import attributes, codes, forms_of, get, post, text_of
from tests.support.dashboard import Dashboard
from tests.support.finished_runs import finished_on, unlabelled_on


def test_a_finished_job_offers_another_budget_and_lists_those_there_are(board: Dashboard) -> None:
    team = board.team()
    parent = finished_on(board, team)
    page = get(board, team, f"/jobs/{parent}").text
    assert f"/jobs/{parent}/retarget#other-budgets" in page
    assert attributes(page, "data-child") == []
    sent = post(board, team, f"/jobs/{parent}/retarget", {"max_accuracy_drop": "2,5", "submission": "a"})
    assert sent.status_code == 303
    child = sent.headers["location"].removeprefix("/jobs/")
    job = board.services.jobs.get(team.id, child)
    assert (job.parent_id, job.spec["budget"]) == (parent, {"max_accuracy_drop": 0.025})
    again = post(board, team, f"/jobs/{parent}/retarget", {"max_accuracy_drop": "2.5", "submission": "a"})
    assert again.headers["location"] == f"/jobs/{child}"
    assert attributes(get(board, team, f"/jobs/{parent}").text, "data-child") == [child]
    shown = get(board, team, f"/jobs/{child}").text
    assert f'id="parent" href="/jobs/{parent}"' in shown
    assert f"/jobs/{child}/retarget" not in shown


def test_what_is_wrong_with_a_budget_stands_beside_it(board: Dashboard) -> None:
    team = board.team("wrong")
    parent = finished_on(board, team)
    for typed in ("much", "", "0.01", "200"):
        sent = post(board, team, f"/jobs/{parent}/retarget", {"max_accuracy_drop": typed})
        assert sent.status_code == 422, typed
        assert attributes(sent.text, "data-error") == ["max_accuracy_drop"], typed
        assert f'value="{typed}"' in sent.text
    assert attributes(get(board, team, f"/jobs/{parent}").text, "data-child") == []


def test_of_a_curve_that_promised_a_disagreement_the_form_asks_for_another(board: Dashboard) -> None:
    team = board.team("unlabelled")
    parent = unlabelled_on(board, team)
    page = get(board, team, f"/jobs/{parent}").text
    assert '<label for="max_disagreement">' in page
    assert '<label for="max_accuracy_drop">' not in page
    wrong = post(board, team, f"/jobs/{parent}/retarget", {"max_disagreement": "much"})
    assert (wrong.status_code, attributes(wrong.text, "data-error")) == (422, ["max_disagreement"])
    sent = post(board, team, f"/jobs/{parent}/retarget", {"max_disagreement": "2.5", "submission": "a"})
    assert sent.status_code == 303
    child = board.services.jobs.get(team.id, sent.headers["location"].removeprefix("/jobs/"))
    assert (child.parent_id, child.spec["budget"]) == (parent, {"max_disagreement": 0.025})


def test_no_other_budget_is_offered_of_a_job_that_has_none_to_promise(board: Dashboard) -> None:
    team = board.team("none")
    for job in (board.succeeded(team), board.queued(team), board.failed(team, "", "worker_lost", "it died")):
        assert f"/jobs/{job.id}/retarget" not in get(board, team, f"/jobs/{job.id}").text


def test_a_parent_that_is_deleted_is_said_to_be(board: Dashboard) -> None:
    team = board.team("deleted")
    parent = finished_on(board, team)
    child = post(board, team, f"/jobs/{parent}/retarget", {"max_accuracy_drop": "2"}).headers["location"]
    refused = post(board, team, f"/jobs/{parent}/delete")
    assert (refused.status_code, codes(refused.text)) == (409, ["job_in_use"])
    post(board, team, f"{child}/cancel")
    assert post(board, team, f"/jobs/{parent}/delete").status_code == 303
    assert parent in text_of(get(board, team, child).text, "id", "parent")


def test_the_form_works_without_scripts_and_says_what_belongs_into_it(board: Dashboard) -> None:
    team = board.team("labels")
    parent = finished_on(board, team)
    page = get(board, team, f"/jobs/{parent}").text
    assert '<label for="max_accuracy_drop">' in page
    assert f"/jobs/{parent}/retarget#other-budgets" in forms_of(page)
