"""What a policy is, what it is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from primesvt_core.registry import Registry
from primesvt_core.types import FLOAT_SLACK, CurvePoint, Outcome, Rates

Evaluate = Callable[[Rates], Outcome]
"""Accuracy on the search split and memory of the model pruned at the given rates."""

IsWithin = Callable[[Rates], bool]
"""Whether the model pruned at the given rates stays within the allowed drop on the search split."""


Known = Callable[[Rates], bool | None]
"""What `IsWithin` would answer where nothing has to be computed for it; None where something has."""


def nothing_is_known(_rates: Rates) -> bool | None:
    """Every answer has to be computed."""
    return None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a policy must solve.

    Attributes:
        candidates: rates to try of every group, ascending; the groups in the order of the sorting.
        start: the unpruned model.
        allowed_drop: largest loss of accuracy on the search split.
        target_bytes: parameter memory to reach; None to save as much as the allowed drop lets.
        memory: parameter memory in bytes at the given rates; costs nothing.
        macs: multiply-accumulates of one image over all time steps at the given rates; costs nothing.
        max_macs: of these, how many may be left; None without a limit. A target is reached where all limits are met.
        is_stored_small: whether the file is small enough at the given rates; None without such a limit.
        is_within: whether the model pruned at the given rates stays within ``allowed_drop``. Ask it before evaluating:
            it looks at as many images as the answer takes, and remembers them.
        known: the same where the answer costs nothing.
    """

    candidates: Mapping[str, tuple[float, ...]]
    start: CurvePoint
    allowed_drop: float
    target_bytes: int | None
    memory: Callable[[Rates], int]
    macs: Callable[[Rates], int]
    is_within: IsWithin
    max_macs: int | None = None
    is_stored_small: Callable[[Rates], bool] | None = None
    known: Known = nothing_is_known

    @property
    def has_target(self) -> bool:
        """Whether the model has to become so small; otherwise as much as the allowed drop lets is saved."""
        return any(limit is not None for limit in (self.target_bytes, self.max_macs, self.is_stored_small))

    def is_robust(self, group: str, rate: float) -> bool:
        """Whether ``group`` alone stays within the allowed drop at ``rate``: a cell of the profile."""
        return self.is_within({group: rate})

    def keeps_floor(self, accuracy_drop: float) -> bool:
        """Whether a loss is allowed."""
        return accuracy_drop <= self.allowed_drop + FLOAT_SLACK

    def reaches_target(self, rates: Rates) -> bool:
        """Whether there is a target, and the model pruned at the given rates meets every limit of it."""
        return (
            self.has_target
            and (self.target_bytes is None or self.memory(rates) <= self.target_bytes)
            and (self.max_macs is None or self.macs(rates) <= self.max_macs)
            and (self.is_stored_small is None or self.is_stored_small(rates))
        )


Curve = tuple[CurvePoint, ...]
"""Accepted steps, the unpruned model first and the result last, all within ``allowed_drop``."""

PolicySearch = Callable[[Problem, Evaluate], Curve]
"""A policy whose parameters are set."""


Measure = Callable[[Sequence[Rates]], Sequence[float]]
"""How far predictions of several candidates, repaired, are from the original's on the search split: mean KL in nats."""


@dataclass(frozen=True, kw_only=True)
class CurveProblem:
    """What a policy that goes by divergence must solve.

    Attributes:
        steps: rates that a group may have, ascending and without 0; the groups in the order of the sorting.
        measured: those of them at which `measure` is to be asked of a group alone; others are interpolated.
        shared: groups that layers of many blocks have in common, the residual streams: what they cost depends on all.
        targets: parameter memory to reach, in bytes, descending.
        memory: parameter memory in bytes at the given rates; costs little.
        is_allowed: whether limits beside memory are kept at the given rates; costs little.
        measure: how far candidates are from the original; costs much, and less for several at once.
    """

    steps: Mapping[str, tuple[float, ...]]
    measured: Mapping[str, tuple[float, ...]]
    shared: frozenset[str]
    targets: tuple[int, ...]
    memory: Callable[[Rates], int]
    is_allowed: Callable[[Rates], bool]
    measure: Measure


CurveSearch = Callable[[CurveProblem], tuple[Rates, ...]]
"""A policy that goes by divergence, whose parameters are set."""


class PolicyParams(BaseModel):
    """Parameters of a policy: none. A policy that has some derives its own model, every field with a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


P = TypeVar("P", bound=PolicyParams)


@dataclass(frozen=True, kw_only=True)
class AnyPolicy(Generic[P]):
    """One way to decide the rates of all groups: a `Policy` or a `CurvePolicy`.

    Attributes:
        params: its parameters, which the command line, the API and the form offer and check.
    """

    params: type[P]


@dataclass(frozen=True, kw_only=True)
class Policy(AnyPolicy[P]):
    """A policy that goes by accuracy: it asks of candidate after candidate whether it loses too much.

    Attributes:
        search: solves a problem. Deterministic, and free of torch.
    """

    search: Callable[[Problem, Evaluate, P], Curve]

    def with_params(self, given: Mapping[str, object]) -> PolicySearch:
        """The search with these parameters, and the default of every other.

        Raises:
            ValidationError: pydantic's, if one is unknown or wrong.
        """
        params = self.params.model_validate(given)
        return lambda problem, evaluate: self.search(problem, evaluate, params)


@dataclass(frozen=True, kw_only=True)
class CurvePolicy(AnyPolicy[P]):
    """A policy that goes by divergence: it finds the best candidate for every target, whatever may be lost.

    Attributes:
        curve: solves a problem: of every target that can be reached the candidate, in the order of the targets.
            Deterministic, and free of torch.
    """

    curve: Callable[[CurveProblem, P], tuple[Rates, ...]]

    def with_params(self, given: Mapping[str, object]) -> CurveSearch:
        """The policy with these parameters, and the default of every other.

        Raises:
            ValidationError: pydantic's, if one is unknown or wrong.
        """
        params = self.params.model_validate(given)
        return lambda problem: self.curve(problem, params)


POLICIES: Registry[AnyPolicy[PolicyParams]] = Registry("policies", AnyPolicy)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a policy, for who offers it to people.

    Attributes:
        name: as in the constraint spec's ``policy_params``.
        schema: its JSON Schema: type, bounds, choices.
        default: None where there is none.
        description: in a sentence.
        is_required: whether it must be given.
    """

    name: str
    schema: Mapping[str, JsonValue]
    default: JsonValue
    description: str
    is_required: bool


def policy_parameters(key: str) -> tuple[Parameter, ...]:
    """The parameters of a policy, in the order in which it declares them.

    Raises:
        UnknownPlugin: if there is no policy of that name.
    """
    schema = POLICIES.load(key).params.model_json_schema()
    return tuple(
        Parameter(
            name=name,
            schema=field,
            default=field.get("default"),
            description=field.get("description", ""),
            is_required=name in schema.get("required", ()),
        )
        for name, field in schema.get("properties", {}).items()
    )
