"""A checkpoint sliced by a given plan without data: the channels are chosen by weights alone, nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from primesvt_core.costs import Network, bytes, macs
from primesvt_core.criteria import Scoring
from primesvt_core.criteria._base import CRITERIA, scores_of
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.loading import build
from primesvt_core.intake.provenance import metadata
from primesvt_core.method.export import MODEL_NAME, digest, provenance_of
from primesvt_core.method.given_plan import FittedPlan, GivenPlan, check_targets, check_without_data, fitted
from primesvt_core.method.limits import chosen_groups
from primesvt_core.method.search import Goal, target_bytes
from primesvt_core.pruning.groups import kept_count, plan_for
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import ChannelGroup, Plan, Rates, Shapes
from primesvt_core.workspace.atomic import tensor_file


@dataclass(frozen=True, kw_only=True)
class Slicing:
    """A plan that fits a checkpoint, and what it comes to.

    Attributes:
        inspection: of the original.
        spec: whose criterion chooses the channels.
        given: the plan.
        groups: that the spec lets be pruned, with its limits.
        macs: of one image over all time steps, before and after.
    """

    inspection: Inspection
    spec: CompressionSpec
    given: FittedPlan
    groups: tuple[ChannelGroup, ...]
    macs: tuple[int, int]

    def kept(self, group: str, rate: float) -> int:
        """Channels that a group keeps at a rate."""
        return kept_count(next(one for one in self.groups if one.name == group), rate)

    def plan(self, state: Mapping[str, Tensor]) -> Plan:
        """For every group that is pruned, the channels kept.

        Args:
            state: of the original.
        """
        criterion = CRITERIA.load(self.spec.criterion)
        model = build(self.inspection.family, self.inspection.config, state)
        pruned = tuple(group for group in self.groups if group.name in self.given.rates)
        scoring = Scoring(state=state, model=model, groups=pruned, seed=self.spec.seed)
        scores = {group.name: scores_of(self.spec.criterion, criterion, scoring, group) for group in pruned}
        return plan_for(self.given.rates, pruned, scores)


@dataclass(frozen=True, kw_only=True)
class SlicedModel:
    """A sliced model on disk, as it was loaded back.

    Attributes:
        path: the safetensors file.
        sha256: of the file.
        file_bytes: its size.
        config: of the model.
        shapes: of the file's tensors.
        plan: for every pruned group, the channels kept.
    """

    path: Path
    sha256: str
    file_bytes: int
    config: FamilyConfig
    shapes: Shapes
    plan: Plan


def check_needs_no_data(spec: CompressionSpec) -> None:
    """Refuse a spec that asks for what only images can give.

    Raises:
        SpecError: with what does.
    """
    check_without_data(spec, bool(CRITERIA.load(spec.criterion).needs))


def fit(inspection: Inspection, plan: GivenPlan, spec: CompressionSpec) -> Slicing:
    """Fit a plan to a checkpoint; nothing is read of the weights.

    Raises:
        PlanMismatch: it does not fit the checkpoint, or what the spec lets be pruned.
        ImpossibleBudget: it does not reach a target of the budget.
    """
    family, config = inspection.family, inspection.config
    every = tuple(family.groups(config))
    given = fitted(plan, family=inspection.family_key, variant=str(config.variant), groups=every, spec=spec)
    groups = chosen_groups(every, spec)
    network = Network(
        shapes=inspection.shapes, groups=every, geometry=geometry(family, config), unused=family.unused(config)
    )
    counts = bytes.COST.of(network), macs.COST.of(network)
    sizes = _sizes(given.rates, groups)
    (before, after), (macs_before, macs_after) = ((count({}), count(sizes)) for count in counts)
    targets = Goal(allowed_drop=None, target_bytes=target_bytes(spec.budget, before), max_macs=spec.budget.max_macs)
    check_targets(plan.name, targets, after, macs_after, given.rates)
    return Slicing(inspection=inspection, spec=spec, given=given, groups=groups, macs=(macs_before, macs_after))


def write(slicing: Slicing, state: Mapping[str, Tensor], plan: Plan, out: Path) -> SlicedModel:
    """Slice the original, write the model, and look at the file as a user would.

    Args:
        slicing: which plan.
        state: of the original.
        plan: for every pruned group, the channels kept.
        out: folder for the file.
    """
    inspection = slicing.inspection
    config, sliced = prune(inspection.family, inspection.config, state, plan)
    provenance = provenance_of(inspection, slicing.spec, config, plan, "")
    out.mkdir(parents=True, exist_ok=True)
    path = out / MODEL_NAME
    with tensor_file(path) as temporary:
        save_file(sliced, temporary, metadata(provenance))
    reread = inspect(path)
    return SlicedModel(
        path=path, sha256=digest(path), file_bytes=path.stat().st_size, config=reread.config, shapes=reread.shapes,
        plan=plan,
    )  # fmt: skip


def _sizes(rates: Rates, groups: tuple[ChannelGroup, ...]) -> dict[str, int]:
    return {group.name: kept_count(group, rates[group.name]) for group in groups if group.name in rates}
