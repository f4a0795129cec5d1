"""The preflight beside the form of a new job."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pytest

from app.catalog.states import UploadKind
from app.web.form_preflight import taken
from tests.support import preflights
from tests.support.browsing import attributes, get, post, text_of
from tests.support.dashboard import Dashboard, Team

IMPOSSIBLE = {"max_accuracy_drop": "0.1", "min_memory_saving": "99", "preset": "paper", "rates": "50"}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("board"))
    yield found
    found.close()


@pytest.fixture
def team(board: Dashboard, request: pytest.FixtureRequest) -> Team:
    return board.team(request.node.name[:50])


@pytest.fixture
def files(board: Dashboard, team: Team) -> dict[str, str]:
    """Inputs that choose two uploads."""
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "m.pth", preflights.model(num_classes=4))
    dataset = board.ready(team, UploadKind.DATASET, "d.zip", preflights.data())
    return {"checkpoint_id": checkpoint.id, "dataset_id": dataset.id}


def test_it_is_a_part_of_the_page_once_both_uploads_are_chosen(
    board: Dashboard, team: Team, files: dict[str, str]
) -> None:
    assert attributes(get(board, team, "/new").text, "data-fact") == []
    part = post(board, team, "/new/preflight", {**files, "min_memory_saving": "10"}).text
    assert "<html" not in part
    assert "4 of the model, 3 of the data" in text_of(part, "data-fact", "classes")
    assert "550" in text_of(part, "data-fact", "confirmation")
    assert "0.49" in text_of(part, "data-fact", "provable_drop")
    assert attributes(part, "data-problem") == ["data_classes"]
    assert "every 2s" not in part
    assert not board.services.jobs.search(team.id).items


def test_every_problem_has_a_button_that_takes_the_nearest_possible_value(
    board: Dashboard, team: Team, files: dict[str, str]
) -> None:
    typed = {**files, **IMPOSSIBLE, "max_parameter_mebibytes": "0.0001"}
    part = post(board, team, "/new/preflight", typed).text
    values = [value for value in attributes(part, "value") if "=" in value]
    assert values == [
        "allow_fewer_classes=true", "max_accuracy_drop=0.49", "min_memory_saving=75", "max_parameter_mebibytes=0.0002",
    ]  # fmt: skip
    for value in values:
        typed |= taken({"take": value})
    assert attributes(post(board, team, "/new/preflight", typed).text, "data-problem") == []
    assert post(board, team, "/new", typed).status_code == 303


def test_without_scripts_a_button_asks_for_it_and_others_take_values(
    board: Dashboard, team: Team, files: dict[str, str]
) -> None:
    checked = post(board, team, "/new", {**files, **IMPOSSIBLE, "check": "true"})
    assert (checked.status_code, len(attributes(checked.text, "data-problem"))) == (200, 3)
    took = post(board, team, "/new", {**files, **IMPOSSIBLE, "take": "min_memory_saving=75"})
    assert (took.status_code, len(attributes(took.text, "data-problem"))) == (200, 2)
    assert 'name="min_memory_saving" value="75"' in took.text
    assert not board.services.jobs.search(team.id).items


def test_the_first_button_of_the_form_submits_it(board: Dashboard, team: Team, files: dict[str, str]) -> None:
    """It is the one that Enter presses."""
    page = post(board, team, "/new", {**files, **IMPOSSIBLE, "check": "true"}).text
    form = page[page.index('action="/new"') :]
    assert "name=" not in form[form.index("<button") : form.index("</button")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"min_memory_saving": "lots"}, "'lots'"),
        ({}, "Set at least one limit"),
        ({"dataset_id": "../x"}, "nothing with"),
    ],
)
def test_what_is_wrong_in_the_form_is_said(
    board: Dashboard, team: Team, files: dict[str, str], fields: dict[str, str], said: str
) -> None:
    answer = post(board, team, "/new/preflight", {**files, "min_memory_saving": "10", **fields} if fields else files)
    assert answer.status_code == 200
    assert said in html.unescape(answer.text)


def test_it_is_asked_again_until_both_are_validated(board: Dashboard, team: Team, files: dict[str, str]) -> None:
    waiting = board.upload(team, UploadKind.DATASET, "new.npz")
    part = post(board, team, "/new/preflight", {**files, "dataset_id": waiting.id, "max_accuracy_drop": "3"}).text
    assert "every 2s" in part
    assert "new.npz is not validated yet." in part


def test_another_teams_uploads_are_not_found(board: Dashboard, files: dict[str, str]) -> None:
    part = post(board, board.team("theirs"), "/new/preflight", {**files, "max_accuracy_drop": "3"}).text
    assert attributes(part, "data-problem") == ["not_found"]
    assert attributes(part, "data-fact") == []


def test_a_form_of_another_site_is_refused(board: Dashboard, team: Team, files: dict[str, str]) -> None:
    assert post(board, team, "/new/preflight", files, is_ours=False).status_code == 403
