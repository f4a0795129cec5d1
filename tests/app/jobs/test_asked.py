"""Given plans as jobs: with data and without, what is kept of them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.catalog.states import UploadKind
from app.errors import Invalid, TooLarge
from app.jobs.asked import asked_alone
from app.jobs.records import NewJob
from app.jobs.states import JobState
from primesvt_core.errors import NotRetargetable, SpecError
from tests.support.dashboard import sample_report
from tests.support.finished_runs import finish
from tests.support.shop import PROBLEM, Shop

RATES = {"block.*": 0.5}


def without_data(**fields: Any) -> NewJob:
    return NewJob(**{"checkpoint_id": "upl_1", "dataset_id": "", "spec": {}, "plan": RATES, **fields})


def test_a_plan_without_data_has_the_preset_that_needs_none_and_limits_nothing() -> None:
    asked = asked_alone(without_data())
    assert asked.plan is not None
    assert (asked.plan.rates, asked.plan.origin) == (RATES, None)
    assert (asked.spec.preset, asked.spec.repair, asked.spec.budget.min_memory_saving) == ("paper", "none", 0.0)
    assert asked.device not in ("cpu", "cuda", "auto")
    with_data = asked_alone(without_data(dataset_id="upl_2", spec={"budget": {"max_accuracy_drop": 0.03}}))
    assert (with_data.spec.preset, with_data.spec.budget.max_accuracy_drop) == ("deep", 0.03)


def test_of_a_report_is_kept_what_is_read_of_it() -> None:
    report = sample_report().model_dump(mode="json")
    asked = asked_alone(without_data(plan={**report, "spec": {**report["spec"], "channel_multiple": 8}}))
    assert asked.new.plan is not None
    assert {*asked.new.plan} == {"schema_version", "family", "variant", "groups", "spec", "data"}
    assert {*asked.new.plan["groups"][0]} == {"name", "size_before", "size_after", "rate"}
    assert asked.spec.channel_multiple == 8
    assert asked_alone(asked.new) == asked


def test_what_is_no_plan_or_needs_images_is_refused() -> None:
    for plan in ({"mlp": 1.0}, {"mlp": "much"}, {"groups": [{"name": "mlp"}]}):
        with pytest.raises(SpecError, match="the plan of the request"):
            asked_alone(without_data(plan=plan))
    for spec in ({"budget": {"max_accuracy_drop": 0.03}}, {"repair": "closed_form"}, {"fine_tuning": {"epochs": 1}}):
        with pytest.raises(SpecError, match="without data nothing is measured"):
            asked_alone(without_data(spec=spec))
    with pytest.raises(Invalid, match="train_dataset_id"):
        asked_alone(without_data(train_dataset_id="upl_3"))
    with pytest.raises(TooLarge, match="65,536"):
        asked_alone(without_data(plan={f"group.{number}": 0.5 for number in range(5000)}))
    with pytest.raises(Invalid, match="checkpoint_id"):
        asked_alone(without_data(checkpoint_id=""))
    with pytest.raises(Invalid, match="dataset_id"):
        asked_alone(without_data(plan=None))


def test_a_worker_is_told_of_a_plan_without_data(shop: Shop) -> None:
    checkpoint = shop.upload(UploadKind.CHECKPOINT)
    new = without_data(checkpoint_id=checkpoint.id)
    job = shop.jobs.submit(shop.team, new)
    assert (job.dataset_id, job.plan, job.name) == ("", RATES, checkpoint.name)
    assert [one.dataset_id for one in shop.jobs.search(shop.team).items] == [""]
    claim = shop.claimed(job)
    assert (claim.dataset, claim.plan, claim.parent) == (None, RATES, None)
    shop.queue.fail(claim, PROBLEM)
    again = shop.jobs.retry(shop.team, job.id)
    assert (again.plan, again.dataset_id, again.spec) == (RATES, "", job.spec)
    finish(shop, shop.claimed(again))
    with pytest.raises(NotRetargetable, match="given plan"):
        shop.jobs.resolved(
            shop.team, replace(new, checkpoint_id="", plan=None, parent_id=again.id,
                               spec={"budget": {"max_accuracy_drop": 0.02}})
        )  # fmt: skip


def test_a_plan_with_data_has_both_uploads(shop: Shop) -> None:
    job = shop.jobs.submit(shop.team, replace(shop.asked(), plan=RATES))
    assert job.state is JobState.QUEUED
    claim = shop.claimed(job)
    assert claim.dataset is not None
    assert (claim.dataset.name, claim.plan) == ("a dataset", RATES)
