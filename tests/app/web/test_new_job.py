"""The form of a new job."""

from __future__ import annotations

import re

from app.catalog.states import UploadKind
from app.web import form_fields
from primesvt_client.facts import CheckpointFacts
from primesvt_client.spec_types import LARGEST
from tests.support.browsing import attributes, forms_of, get, post, text_of
from tests.support.dashboard import Dashboard


def test_the_form_of_a_new_job_submits_what_was_typed(board: Dashboard) -> None:
    team = board.team()
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "a.pth")
    data = board.ready(team, UploadKind.DATASET, "a.npz")
    fields = {
        "checkpoint_id": checkpoint.id, "dataset_id": data.id, "max_accuracy_drop": "2.5", "min_memory_saving": "30",
        "rates": "10, 50", "time_steps": "4", "policy": "prioritized", "name": "My job", "submission": "once",
    }  # fmt: skip
    answer = post(board, team, "/new", fields)
    assert answer.status_code == 303
    assert post(board, team, "/new", fields).headers["location"] == answer.headers["location"]
    job = board.services.jobs.get(team.id, board.services.jobs.search(team.id).items[0].id)
    assert job.name == "My job"
    assert job.spec["budget"] == {"max_accuracy_drop": 0.025, "min_memory_saving": 0.3}
    assert job.spec["rates"] == [0.1, 0.5]
    assert job.spec["assumptions"] == {"time_steps": 4}
    other = post(board, team, "/new", fields | {"seed": "7"}).headers["location"]
    assert other != answer.headers["location"]
    like = get(board, team, f"/new?like={job.id}").text
    for shown in ('value="2.5"', 'value="30"', 'value="10, 50"', 'value="My job"', '<details class="card" open'):
        assert shown in like


def test_a_drop_that_cannot_be_proven_is_refused_in_the_form_unless_it_is_accepted(board: Dashboard) -> None:
    team = board.team()
    files = {kind: board.ready(team, kind, f"{kind}.bin").id for kind in UploadKind}
    fields = {"checkpoint_id": files[UploadKind.CHECKPOINT], "dataset_id": files[UploadKind.DATASET]}
    refused = post(board, team, "/new", {**fields, "max_accuracy_drop": "0.05"})
    assert (refused.status_code, "4,000 confirmation images cannot prove" in refused.text) == (422, True)
    accepted = post(board, team, "/new", {**fields, "max_accuracy_drop": "0.05", "accept_unproven": "true"})
    assert accepted.status_code == 303
    job = board.services.jobs.get(team.id, board.services.jobs.search(team.id).items[0].id)
    assert (job.spec["budget"], job.spec["accept_unproven"]) == ({"max_accuracy_drop": 0.0005}, True)
    assert "<option selected>true<" in get(board, team, f"/new?like={job.id}").text


def test_the_largest_numbers_are_shown_and_can_be_asked_for_again(board: Dashboard) -> None:
    team = board.team()
    splits = {"search_images": LARGEST}
    job = board.queued(team, spec={"budget": {"max_parameter_bytes": LARGEST}, "splits": splits})
    assert get(board, team, f"/jobs/{job.id}").status_code == 200
    like = get(board, team, f"/new?like={job.id}").text
    assert f'value="{LARGEST >> 20}"' in like
    assert f'value="{LARGEST}"' in like
    refused = post(board, team, "/new", {"max_parameter_mebibytes": "1e300"})
    assert refused.status_code == 422
    assert "max_parameter_mebibytes" in attributes(refused.text, "data-error")


def test_the_form_says_what_is_wrong_and_keeps_what_was_typed_and_sent(board: Dashboard) -> None:
    team = board.team()
    files = {"checkpoint_id_file": ("mine.pth", b"weights")}
    answer = post(
        board, team, "/new", {"max_accuracy_drop": "lots", "min_memory_saving": "120", "rates": "10, x"}, files=files
    )
    assert answer.status_code == 422
    assert set(attributes(answer.text, "data-error")) == {"max_accuracy_drop", "rates", "dataset_id"}
    assert 'value="lots"' in answer.text
    upload = board.services.catalog.search(team.id).items[0]
    assert f'value="{upload.id}" selected' in answer.text
    assert not board.services.jobs.search(team.id).items
    beyond = post(board, team, "/new", {"min_memory_saving": "120"}).text
    assert "min_memory_saving" in attributes(beyond, "data-error")
    empty = post(board, team, "/new").text
    assert "" in attributes(empty, "data-error")  # no limit of the budget: the fault of no single field


def test_an_address_fills_the_form_in_and_says_what_is_to_be_changed(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    text = get(board, team, f"/new?like={job.id}&batch_size=12&change=batch_size&name=x&form_token=y").text
    assert re.search(r'id="batch_size"[^>]*value="12"[^>]*autofocus', text, re.S)
    assert '<details class="card" open' in text
    assert board.form_token(team) in text
    assert get(board, team, "/new?max_accuracy_drop=%00&change=%00&rates=" + "9" * 5000).status_code == 200


def test_every_input_has_plain_words_beside_it() -> None:
    assert [entry.name for entry in (*form_fields.FIELDS, *form_fields.policy_fields()) if not entry.hint] == []


def test_the_example_is_one_click_from_an_empty_team(board: Dashboard) -> None:
    team = board.team()
    for address in ("/", "/new"):
        assert "/new/example" in forms_of(get(board, team, address).text)
    sent = post(board, team, "/new/example", {"submission": "first"})
    assert sent.status_code == 303
    assert post(board, team, "/new/example", {"submission": "first"}).headers["location"] == sent.headers["location"]
    job = board.services.jobs.get(team.id, sent.headers["location"].removeprefix("/jobs/"))
    assert job.spec["budget"]["max_accuracy_drop"] == 0.03
    uploads = board.services.catalog.search(team.id).items
    assert {upload.name for upload in uploads} == {"spikformer-digits.pth.tar", "digits.npz"}
    assert len(board.services.audit.search(team.id, action="upload.create").items) == 2
    assert post(board, team, "/new/example", is_ours=False).status_code == 403


def test_the_recognised_model_stands_beside_the_form_with_its_layers(board: Dashboard) -> None:
    team = board.team()
    layers = ({"name": "<b>fc1", "group": "mlp", "shape": [8, 4], "parameter_bytes": 2048}, {"of": "another version"})
    facts = CheckpointFacts(family="spikformer", title="Spikformer", parameters=8, parameter_bytes=2048, layers=layers)
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "m.pth", facts)
    text = post(board, team, "/new/preflight", {"checkpoint_id": checkpoint.id}).text
    assert attributes(text, "data-recognised") == ["checkpoint_id"]
    shown = text_of(text, "id", f"layers-of-{checkpoint.id}")
    assert "2 layers" in shown
    assert "<b>fc1 mlp 8\u00d74 2.00 KiB" in shown
    assert 'hx-trigger="every' not in text
    waiting = board.upload(team, UploadKind.DATASET, "d.npz")
    text = post(board, team, "/new/preflight", {"checkpoint_id": checkpoint.id, "dataset_id": waiting.id}).text
    assert 'hx-trigger="every' in text
    board.refused(team, "bad.pth", "unsafe_pickle", "it holds <i>code</i>")
    bad = board.services.catalog.search(team.id, UploadKind.CHECKPOINT).items[0]
    assert "it holds &lt;i&gt;code" in post(board, team, "/new/preflight", {"checkpoint_id": bad.id}).text
    theirs = post(board, board.team("theirs"), "/new/preflight", {"checkpoint_id": checkpoint.id}).text
    assert attributes(theirs, "data-recognised") == []


def test_a_registered_data_set_is_chosen_without_an_upload(board: Dashboard) -> None:
    team, others = board.team(), board.team("others")
    checkpoint, data = board.ready(team, UploadKind.CHECKPOINT, "a.pth"), board.registered([team.id])
    for who, count in ((team, 2), (others, 0)):  # evaluation and training data
        page = get(board, who, "/new").text
        assert page.count(f'value="{data}"') == count
        assert page.count("ImageNet &lt;val&gt;") == count
    fields = {"checkpoint_id": checkpoint.id, "dataset_id": data, "max_accuracy_drop": "3"}
    answer = post(board, team, "/new", fields)
    assert answer.status_code == 303, answer.text
    assert "imagenet-val.tar" in get(board, team, answer.headers["location"]).text
    assert f'value="{data}" selected' in get(board, team, f"/new?like={answer.headers['location'].split('/')[-1]}").text
