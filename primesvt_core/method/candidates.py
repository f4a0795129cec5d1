"""The candidates of one run: from rates to a plan, its memory, its accuracy, and the sliced model itself.

Every accuracy goes through the workspace, so that a resumed run remembers what was evaluated before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import cast

import torch
from pydantic import JsonValue
from torch import Tensor

from primesvt_core.calibration import Calibration
from primesvt_core.criteria import Scoring
from primesvt_core.criteria._base import CRITERIA, check_needs, scores_of
from primesvt_core.engines import Images
from primesvt_core.errors import SpecError
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.splits import SplitImages
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.inspect import Inspection
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.finetuning import TrainingSet, fine_tune
from primesvt_core.promise.bounds import Paired, paired
from primesvt_core.pruning.groups import kept_count, memory_bytes, plan_for, pruned_shapes
from primesvt_core.pruning.surgery import prune
from primesvt_core.registry import Need
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import ChannelGroup, CurvePoint, Plan, Rates
from primesvt_core.workspace.store import SCORES, SNAPSHOT, Workspace


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A sliced model: its config and its state dict at the stored dtype."""

    config: FamilyConfig
    state: Mapping[str, Tensor]
    losses: tuple[float, ...] = ()


class Candidates:
    """The candidates of pruning one model on one data set: their plans, memory, accuracy and weights."""

    def __init__(
        self,
        inspection: Inspection,
        state: Mapping[str, Tensor],
        images: SplitImages,
        spec: CompressionSpec,
        workspace: Workspace,
        device: torch.device,
    ) -> None:
        self.inspection, self.state, self.images, self.spec = inspection, state, images, spec
        self.workspace, self.device = workspace, device
        self.family, self.config = inspection.family, inspection.config
        self.groups = _chosen_groups(self.family.groups(self.config), spec)
        self.criterion = CRITERIA.load(spec.criterion)
        self.unused = self.family.unused(self.config)
        self.memory_before = memory_bytes(inspection.shapes, self.unused)
        self.training: TrainingSet | None = None
        """What fine-tuning learns from; None without fine-tuning."""
        self.note: Callable[[str], None] = lambda _: None
        """Receives messages on what goes on within an evaluation."""
        self.calibration_images: Images = images.blocks(images.splits.calibration)
        """What criteria and repairs look at."""
        self.labelled_images: Images | None = self.calibration_images
        """What criteria look at that need labels; None where there are none."""

    @property
    def learns_from_search(self) -> bool:
        """Whether fine-tuning has no other images than the search split."""
        return self.training is not None and self.training.data is self.images.data

    @cached_property
    def original(self) -> SpikingModel:
        """The unpruned model on the run's device."""
        return build(self.family, self.config, self.state).to(self.device)

    @cached_property
    def calibration(self) -> Calibration:
        """What the original's layers see of the calibration images; gathered where it is asked for, and once."""
        return Calibration(self.original, self.calibration_images, self.spec.seed)

    def check_criterion(self) -> None:
        """Refuse a criterion that this run has not enough for.

        Raises:
            SpecError: naming the criterion and what it needs.
        """
        labels = frozenset({Need.LABELS}) if self.labelled_images is not None else frozenset()
        check_needs(self.spec.criterion, self.criterion, labels | {Need.ACTIVATIONS, Need.GRADIENTS})

    @cached_property
    def scores(self) -> dict[str, list[float]]:
        """The criterion's score of every channel, by group; remembered, for others may round otherwise."""
        keys = {group.name: f"{SCORES}{self.spec.criterion}/{group.name}" for group in self.groups}
        missing = [group for group in self.groups if not self.workspace.knows(keys[group.name])]
        if missing:
            scoring = self._scoring()
            found = {keys[g.name]: scores_of(self.spec.criterion, self.criterion, scoring, g) for g in missing}
            self.workspace.learn(cast("dict[str, JsonValue]", found))
        return {name: cast("list[float]", self.workspace.recall(key, list)) for name, key in keys.items()}

    def _scoring(self) -> Scoring:
        needs = self.criterion.needs
        return Scoring(
            state=self.state,
            model=self.original,
            groups=self.groups,
            seed=self.spec.seed,
            calibration=self.calibration if Need.ACTIVATIONS in needs else None,
            labelled=self.labelled_images if Need.LABELS in needs else None,
            tick=self.note,
        )

    def kept(self, group: str, rate: float) -> int:
        """Channels that a group keeps at a rate."""
        return kept_count(next(g for g in self.groups if g.name == group), rate)

    def plan(self, rates: Rates) -> Plan:
        """For every group at its rate, the channels kept."""
        return plan_for(rates, self.groups, self.scores)

    def memory(self, rates: Rates) -> int:
        """Parameter memory in bytes at the given rates."""
        sizes = {group.name: kept_count(group, rates[group.name]) for group in self.groups if group.name in rates}
        return memory_bytes(pruned_shapes(self.inspection.shapes, self.groups, sizes), self.unused)

    def smallest_memory(self) -> int:
        """Parameter memory with every group at its deepest rate."""
        return self.memory({group.name: self.spec.rates[-1] for group in self.groups})

    def saving(self, parameter_bytes: int) -> float:
        """Fraction of the original's parameter memory that is gone."""
        return 1 - parameter_bytes / self.memory_before

    def confirmed_correct(self, rates: Rates) -> list[bool]:
        """For every image of the confirmation split whether the model pruned at the given rates is right.

        Unlike a trial of the search this runs the sliced model, fine-tuned if the spec says so.
        """

        def compute() -> list[bool]:
            pruned = self.build_pruned(rates)
            model = build(self.family, pruned.config, pruned.state).to(self.device)
            images = self.images.splits.confirmation
            return correct(model, self.images.blocks(images), self.counting(len(images)))

        return self._remembered(f"confirmation/{fingerprint(self.plan(rates))}", compute)

    def original_accuracy(self) -> float:
        """The original's accuracy on the confirmation split."""
        right = self.confirmed_correct({})
        return sum(right) / len(right)

    def judge(self, point: CurvePoint) -> Paired:
        """Compare a candidate with the original on the confirmation split."""
        return paired(self.confirmed_correct({}), self.confirmed_correct(point.rates))

    def build_pruned(self, rates: Rates) -> Pruned:
        """Slice the original, and fine-tune the result if the spec says so."""
        plan = self.plan(rates)
        config, state = prune(self.family, self.config, self.state, plan)
        if not plan.kept or not self.spec.fine_tuning.epochs or self.training is None:
            return Pruned(config=config, state=state)
        model = build(self.family, config, state).to(self.device)
        snapshot = self.workspace.path(SNAPSHOT.format(fingerprint(plan)))
        losses = fine_tune(
            model, self.original, self.training, self.spec.fine_tuning, self.spec.seed, snapshot,
            lambda done, total: self.note(f"fine-tuning, batch {done:,} of {total:,}"),
        )  # fmt: skip
        tuned = {name: value.detach().cpu().to(state[name].dtype) for name, value in model.state_dict().items()}
        return Pruned(config=config, state=tuned, losses=losses)

    def counting(self, total: int) -> Callable[[int], None]:
        """A callback that notes how many of ``total`` images are done."""
        return lambda done: self.note(f"image {done:,} of {total:,}")

    def _remembered(self, key: str, compute: Callable[[], list[bool]]) -> list[bool]:
        bits = self.workspace.recall(key, lambda: "".join("01"[right] for right in compute()))
        return [bit == "1" for bit in str(bits)]


def fingerprint(plan: Plan) -> str:
    """A short name for a plan, the same in every process."""
    return hashlib.sha256(json.dumps(plan.kept, sort_keys=True).encode()).hexdigest()[:24]


def _chosen_groups(groups: Sequence[ChannelGroup], spec: CompressionSpec) -> tuple[ChannelGroup, ...]:
    """Groups that the spec lets be pruned.

    Raises:
        SpecError: if a pattern matches no group.
    """

    def matches(patterns: Sequence[str], name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    for pattern in (*spec.groups, *spec.excluded_groups):
        if not any(fnmatchcase(group.name, pattern) for group in groups):
            raise SpecError(f"no channel group matches {pattern!r}; there are: {', '.join(g.name for g in groups)}")
    return tuple(g for g in groups if matches(spec.groups, g.name) and not matches(spec.excluded_groups, g.name))
