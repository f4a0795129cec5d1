"""What a failed job offers."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from app.jobs.records import Job
from app.web import form_fields, new_job
from app.web.job.remedies import OTHERWISE, REMEDIES, advice
from primesvt_client.facts import ProblemFacts
from tests.support.dashboard import Dashboard

INPUTS = {entry.name for entry in form_fields.FIELDS} | {entry.name for entry in (*new_job.INPUTS, new_job.TRAINING)}


@pytest.fixture
def job(board: Dashboard) -> Job:
    return board.failed(board.team(), "", "worker_lost", "it died")


def test_every_button_leads_to_an_input_that_there_is(job: Job) -> None:
    for code in (*REMEDIES, "of another version", None):
        failed = replace(job, problem=ProblemFacts(code=code.replace("*", "x") if code else None))
        found = advice(failed)
        assert found.actions, code
        for action in found.actions:
            address = urlsplit(action.url)
            if action.is_retry:
                assert address.path == f"/jobs/{job.id}/retry"
                continue
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            assert (address.path, query.pop("like")) == ("/new", job.id)
            assert query.pop("change") in INPUTS, code
            assert query.keys() <= INPUTS, code


def test_a_code_of_a_kind_is_helped_like_its_kind_and_others_are_tried_again(job: Job) -> None:
    undecodable = replace(job, problem=ProblemFacts(code="data_undecodable"))
    assert advice(undecodable).text == REMEDIES["data_*"].text
    assert advice(replace(job, problem=None)).text == OTHERWISE.text


@pytest.mark.parametrize(("size", "offered"), [(50, "12"), (2, "1"), (1, "1"), ("odd", "12")])
def test_smaller_batches_are_filled_in(job: Job, size: object, offered: str) -> None:
    demanding = replace(job, problem=ProblemFacts(code="out_of_memory"), spec={**job.spec, "batch_size": size})
    assert f"batch_size={offered}&" in advice(demanding).actions[0].url
