"""What a request for a job comes to: its inputs, its spec, and the plan or the parent that it names, all checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.catalog.offers import is_registered
from app.errors import Invalid, TooLarge
from app.jobs.parents import Parent
from app.jobs.records import NewJob
from app.jobs.similarity import kind_of
from app.jobs.states import NEWER
from primesvt_client.another_budget import another_budget
from primesvt_client.budget import Budget
from primesvt_client.plan_files import NO_LIMIT
from primesvt_core import spec as specs
from primesvt_core.method.given_plan import GivenPlan, asked_with, check_without_data, plan_of, without_more
from primesvt_core.preflight import Inputs, Preflight, preflight, preflight_of_curve, preflight_of_plan
from primesvt_core.report.finished import another_spec

LARGEST_SPEC_BYTES = 64 << 10
"""Of a spec as JSON. One names groups, rates and perhaps a thousand classes: some 20,000 bytes."""

LARGEST_PLAN_BYTES = 64 << 10
"""Of what is read of a plan, likewise: some hundred groups with their sizes and rates."""

PLAN = "of the request"
"""What a given plan is called, in "the plan ..."."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that is complete.

    Attributes:
        new: with the inputs, the spec and the plan of the job that is to be.
        spec: of that job.
        plan: that it is to carry out.
        parent: of whose curve it takes another point.
        budget: of that.
    """

    new: NewJob
    spec: specs.CompressionSpec
    plan: GivenPlan | None = None
    parent: Parent | None = None
    budget: Budget | None = None

    @property
    def kind(self) -> str:
        """What is done, as rows of jobs name it."""
        return kind_of(has_parent=self.parent is not None, has_plan=self.plan is not None)

    @property
    def device(self) -> str:
        """What it is to run on: another budget where its curve was found; by a name that old workers do not know."""
        wanted = self.spec.device.partition(":")[0]
        if self.parent is not None:
            return f"{self.parent.runs_on or wanted}{NEWER}"
        is_newer = self.plan is not None or any(map(is_registered, (self.new.dataset_id, self.new.train_dataset_id)))
        return f"{wanted}{NEWER}" if is_newer else wanted

    def preflight(self, inputs: Inputs) -> Preflight:
        """What is known of the job from what validation has found of its inputs."""
        if self.parent is not None:
            return preflight_of_curve(self.spec, inputs, self.parent.curve)
        return preflight(self.spec, inputs) if self.plan is None else preflight_of_plan(self.spec, inputs, self.plan)


def asked_alone(new: NewJob) -> Asked:
    """A search, or a given plan.

    Raises:
        Invalid: it lacks an upload, or has one that serves nothing.
        SpecError: the constraint spec or the plan is wrong.
        TooLarge: one of them is larger than it may be.
    """
    if not new.checkpoint_id:
        raise Invalid("a job needs a checkpoint_id; or, for another budget, a parent_id")
    if new.plan is None:
        if not new.dataset_id:
            raise Invalid("a job needs a dataset_id, the images to evaluate on; only a plan can be carried out without")
        return Asked(new=new, spec=_spec(new.spec))
    kept = without_more(new.plan, PLAN)
    _check_size("plan", kept, LARGEST_PLAN_BYTES, "name groups by patterns (*, ?)")
    plan, has_data = plan_of(kept, PLAN), bool(new.dataset_id)
    budget = new.spec.get("budget") or dict(NO_LIMIT)
    spec = _spec(asked_with(plan, {**new.spec, "budget": budget}, has_data=has_data))
    if not has_data:
        if new.train_dataset_id is not None:
            raise Invalid("without data nothing is measured, and a train_dataset_id serves nothing; give a dataset_id")
        check_without_data(spec)
    return Asked(new=replace(new, plan=kept), spec=spec, plan=plan)


def check_another_budget(new: NewJob) -> Budget:
    """What a request for another budget allows.

    Raises:
        Invalid: it has inputs of its own, or a plan.
        SpecError: it has anything else in its spec.
    """
    own = {
        "checkpoint_id": new.checkpoint_id, "dataset_id": new.dataset_id, "train_dataset_id": new.train_dataset_id,
        "plan": new.plan,
    }  # fmt: skip
    if given := [name for name, value in own.items() if value]:
        raise Invalid(f"another budget has the inputs of its parent; leave out {', '.join(given)}, or the parent_id")
    refusal = (
        "another budget is spec.budget.max_accuracy_drop alone, or max_disagreement where the parent promised that:"
        " everything else is the parent's; leave out the rest, or submit a search"
    )
    return another_budget(new.spec, refusal)


def asked_of(new: NewJob, parent: Parent, budget: Budget) -> Asked:
    """Another budget for a finished job.

    Raises:
        NotRetargetable: the parent promised a limit of the other kind.
        SpecError: the parent's spec has become wrong: a plug-in of it is not installed any more.
    """
    whole = replace(
        new, checkpoint_id=parent.checkpoint_id, dataset_id=parent.dataset_id,
        train_dataset_id=parent.train_dataset_id, name=new.name or parent.name,
        spec=another_spec(parent.spec, budget.max_accuracy_drop, budget.max_disagreement),
    )  # fmt: skip
    return Asked(new=whole, spec=specs.parse(whole.spec), parent=parent, budget=budget)


def _spec(document: Mapping[str, Any]) -> specs.CompressionSpec:
    """A spec, checked; every worker, every report and every page of the job has it again."""
    hint = "name groups by patterns (*, ?), and the order of classes by a rule or a list in the data set"
    _check_size("constraint spec", document, LARGEST_SPEC_BYTES, hint)
    return specs.parse(document)


def _check_size(what: str, document: Mapping[str, Any], most: int, hint: str) -> None:
    size = len(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > most:
        raise TooLarge(f"the {what} has {size:,} bytes of JSON and may have {most:,}; {hint}")
