"""The candidates of one run: from rates to a plan, its memory, its accuracy, and the sliced model itself.

Every accuracy goes through the workspace, so that a resumed run remembers what was evaluated before.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import pairwise
from typing import cast

import torch
from pydantic import JsonValue
from torch import Tensor

from primesvt_core.calibration import Calibration
from primesvt_core.costs import Network, bytes, macs, stored
from primesvt_core.criteria import Scoring
from primesvt_core.criteria._base import CRITERIA, check_needs, scores_of
from primesvt_core.data import in_proportion
from primesvt_core.engines import Engine, Images, open_engine
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.splits import SplitImages
from primesvt_core.evaluation.time_steps import correct_by_step, why_not_fewer
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.inspect import Inspection
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.finetuning import Lesson, TrainingSet, by_epochs, fine_tune
from primesvt_core.method.finished_curve import FinishedCurve
from primesvt_core.method.given_plan import FittedPlan
from primesvt_core.method.limits import chosen_groups
from primesvt_core.method.recovered import Recovered
from primesvt_core.method.search import Limit
from primesvt_core.method.storing import Pruned, StoredState, as_it_was, check_range, digest
from primesvt_core.method.storing import stored as as_stored
from primesvt_core.method.time_steps import time_steps
from primesvt_core.promise.bounds import Paired, differing, paired
from primesvt_core.promise.looks import look_counts
from primesvt_core.pruning.groups import kept_count, plan_for
from primesvt_core.pruning.surgery import prune
from primesvt_core.registry import Need
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import CurvePoint, Plan, Rates
from primesvt_core.workspace.store import SCORES, SNAPSHOT, Workspace

UNPRUNED = "unpruned"
"""Name of the candidate that loses no channel."""

LONG_SECONDS = 2.0
"""What is left for longer is told."""


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
        self.time_steps = time_steps(self.config, images.data, spec.budget.max_time_steps)
        self.shorter_config = self.time_steps.shorter(self.config)
        self.groups = chosen_groups(self.family.groups(self.config), spec)
        self.criterion = CRITERIA.load(spec.criterion)
        self.unused = self.family.unused(self.config)
        self.network = network = Network(
            shapes=inspection.shapes,
            groups=self.family.groups(self.config),
            geometry=geometry(self.family, self.time_steps.as_run(self.config)),
            unused=self.unused,
        )
        self._bytes = bytes.COST.of(network)
        self.memory_before, self.macs_before = self._bytes({}), macs.COST.of(network)({})
        self.precision = spec.weights or inspection.checkpoint.weights
        """In which weights of pruned models are stored; None where they keep their dtype."""
        self._stored_bytes = stored.of(network, self.precision)
        self.stored_before = stored.of(network, inspection.checkpoint.weights)({})
        check_range(state, self.precision)
        self.shorter_network = replace(
            network, geometry=geometry(self.family, self.time_steps.as_run(self.shorter_config))
        )
        """Of candidates, which may run for fewer time steps."""
        self._macs = macs.COST.of(self.shorter_network)
        self.training: TrainingSet | None = None
        """What fine-tuning learns from; None without fine-tuning."""
        self.recovered: dict[str, Recovered] = {}
        """What candidates have learned by time, by their names."""
        self.limits: tuple[Limit, ...] = ()
        """Those of the budget that are neither of parameter memory nor of multiply-accumulates."""
        self._last: tuple[str, SpikingModel] | None = None
        self.note: Callable[[str], None] = lambda _: None
        """Receives messages on what goes on within an evaluation."""
        self.calibration_images: Images = images.blocks(images.splits.calibration)
        """What criteria and repairs look at."""
        self.calibration_source: tuple[str, ...] = ("calibration split",)
        """Where these images come from."""
        self.training_notes: tuple[str, ...] = ()
        """What the training data's data set notes."""
        self.repaired: Callable[[Rates], Mapping[str, Tensor]] = lambda _: {}
        """What the repair changes of the original for the model pruned at the given rates, at the original's shapes."""
        self.labelled_images: Images | None = self.calibration_images
        """What criteria look at that need labels; None where there are none."""
        self.given: FittedPlan | None = None
        """The rates of a run that searches for none."""
        self.finished: FinishedCurve | None = None
        """The curve of a run that takes a point of a finished one."""

    @property
    def by_disagreement(self) -> bool:
        """Whether a disagreement is promised: right is then what the original says, whatever labels there are."""
        return self.spec.budget.by_disagreement

    @property
    def learns_from_search(self) -> bool:
        """Whether fine-tuning has no other images than the search split."""
        training = self.training
        return training is not None and training.data is self.images.data and not self.spec.fine_tuning.is_timed

    @cached_property
    def original(self) -> SpikingModel:
        """The unpruned model on the run's device."""
        return build(self.family, self.config, self.state).to(self.device)

    def check_time_steps(self) -> None:
        """Refuse a budget of fewer time steps where there are none.

        Raises:
            SpecError: naming the family and the reason.
        """
        if self.time_steps.is_shortened:
            self.time_steps.check(self.inspection.family_key, self.no_fewer_steps)

    @cached_property
    def unpruned(self) -> SpikingModel:
        """What candidates are made of: the original, or the same weights for fewer time steps."""
        if not self.time_steps.is_shortened:
            return self.original
        return build(self.family, self.shorter_config, self.state).to(self.device)

    def open_engine(self, images: Images, *, as_written: bool = False) -> Engine:
        """Compares candidates with the original, which is the candidate without changes."""
        shorter = self.unpruned if self.time_steps.is_shortened else None
        return open_engine(self.original, images, as_written=as_written, shorter=shorter)

    @cached_property
    def calibration(self) -> Calibration:
        """What the layers of the unpruned model see of the calibration images; gathered where it is asked for, once."""
        return Calibration(self.unpruned, self.calibration_images, self.spec.seed)

    @property
    def has_frames(self) -> bool:
        """Whether every time step has an image of its own."""
        return self.images.data.kind == "frames"

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
            model=self.unpruned,
            groups=self.groups,
            seed=self.spec.seed,
            calibration=self.calibration if Need.ACTIVATIONS in needs else None,
            labelled=self.labelled_images if Need.LABELS in needs else None,
            tick=self.note,
        )

    def kept(self, group: str, rate: float) -> int:
        """Channels that a group keeps at a rate."""
        # Groups that may not be pruned have the rate 0 where all have it.
        return kept_count(next(g for g in (*self.groups, *self.network.groups) if g.name == group), rate)

    def plan(self, rates: Rates) -> Plan:
        """For every group at its rate, the channels kept."""
        pruned = {name: rate for name, rate in rates.items() if rate}
        return plan_for(pruned, self.groups, self.scores if pruned else {})

    def name(self, rates: Rates) -> str:
        """A short name for a candidate, the same in every process."""
        plan = self.plan(rates)
        return UNPRUNED if rates and not plan.kept else fingerprint(plan)

    def memory(self, rates: Rates) -> int:
        """Parameter memory in bytes at the given rates."""
        return self._bytes(self.sizes(rates))

    def macs(self, rates: Rates) -> int:
        """Multiply-accumulates of one image over all time steps, at the given rates; without any the original's."""
        return self._macs(self.sizes(rates)) if rates else self.macs_before

    def stored_bytes(self, rates: Rates) -> int:
        """Bytes of parameters and buffers in the file of the model pruned at the given rates; the original's are its
        own, whatever pruned ones are stored as.
        """
        return self._stored_bytes(self.sizes(rates)) if rates else self.stored_before

    @cached_property
    def stored_original(self) -> StoredState:
        """The unpruned model, as its own file has it."""
        return as_it_was(self.inspection.checkpoint, self.state)

    @cached_property
    def whole(self) -> Rates | None:
        """Rates of the candidate that loses no channel; None where that is the original itself.

        It is another where its weights are stored in fewer bytes, or candidates run for fewer time steps.
        """
        is_smaller = self._stored_bytes({}) < self.stored_before
        if not is_smaller and not self.time_steps.is_shortened:
            return None
        return {group.name: 0.0 for group in self.network.groups}

    def as_candidate(self, rates: Rates) -> Rates:
        """The rates of what would be delivered: of the original those of the candidate that loses no channel."""
        return rates or self.whole or {}

    @property
    def deepest(self) -> Rates:
        """Every group at its deepest rate; limits make it less."""
        return self.as_candidate({group.name: self.spec.rates[-1] for group in self.groups})

    def sizes(self, rates: Rates) -> dict[str, int]:
        """Channels left of every group that is pruned at the given rates."""
        return {group.name: kept_count(group, rates[group.name]) for group in self.groups if group.name in rates}

    def saving(self, parameter_bytes: int) -> float:
        """Fraction of the original's parameter memory that is gone."""
        return 1 - parameter_bytes / self.memory_before

    def confirmed_correct(self, rates: Rates) -> list[bool]:
        """For every image of the confirmation split whether the model pruned at the given rates is right.

        Unlike a trial of the search this runs the sliced model, fine-tuned if the spec says so.
        """
        return self._in_order(self._first_correct(rates, len(self.confirmation_order)))

    def confirmed_by_step(self, rates: Rates) -> list[list[bool]] | None:
        """The same after every number of time steps, from one on, of the original or a candidate that was tested.

        None where a test knows nothing of fewer time steps, or not of all images.
        """
        if self.by_disagreement or self.no_fewer_steps is not None:
            return None
        looked = self._looked_at(rates, len(self.confirmation_order))
        if not rates:
            parts = [self._original_by_step(start, end) for _, (start, end) in looked]
        elif all(self.workspace.knows(key) for key, _ in looked):
            parts = [_unpacked(self.workspace.recall(key, list)) for key, _ in looked]
            if {len(part) for part in parts} != {self.shorter_config.time_steps}:  # a version kept the last alone
                return None
        else:
            return None
        return [self._in_order([right for part in of_step for right in part]) for of_step in zip(*parts, strict=True)]

    def _in_order(self, found: Sequence[bool]) -> list[bool]:
        """What was found in `confirmation_order`, in the order of the confirmation split."""
        return [right for _, right in sorted(zip(self.confirmation_order, found, strict=True))]

    @cached_property
    def confirmation_order(self) -> tuple[int, ...]:
        """Places in the confirmation split, in the order in which candidates see its images.

        With several looks at a candidate every class is in proportion among the first so many.
        """
        places = range(len(self.images.splits.confirmation))
        if len(self.looks) == 1:
            return tuple(places)
        labels = self.images.data.labels[[*self.images.splits.confirmation]]
        return tuple(in_proportion(labels, self.spec.seed).tolist())

    @property
    def confirmation_step(self) -> int:
        """Images of the confirmation split that are judged together: a batch, or all where batches matter."""
        return len(self.images.splits.confirmation) if self.original.depends_on_batch else self.spec.batch_size

    @cached_property
    def looks(self) -> tuple[int, ...]:
        """Numbers of confirmation images after which candidates are looked at, ascending."""
        return look_counts(len(self.images.splits.confirmation), self.confirmation_step)

    def _first_correct(self, rates: Rates, samples: int) -> list[bool]:
        """The same for the first images in `confirmation_order`, from look to look."""
        found: list[bool] = []
        for key, (start, end) in self._looked_at(rates, samples):
            cell = self.workspace.recall(key, partial(self._packed_correct, rates, start, end))
            found += _unpacked(cell)[-1]
        return found

    def _looked_at(self, rates: Rates, samples: int) -> list[tuple[str, tuple[int, int]]]:
        """Names of the cells of the first images, and between which places of `confirmation_order` each has them."""
        name, is_one = self._cells_of(rates), len(self.looks) == 1
        spans = [(start, end) for start, end in pairwise((0, *self.looks)) if end <= samples]
        return [(name if is_one else f"{name}/{start}-{end}", (start, end)) for start, end in spans]

    def _packed_correct(self, rates: Rates, start: int, end: int) -> JsonValue:
        """Who is right, of a candidate after every number of time steps where that is known."""
        if not rates and self.by_disagreement:
            return _packed([True] * (end - start))
        if not rates and self.no_fewer_steps is None:
            return _packed(self._original_by_step(start, end)[-1])
        model, images, tick = self._sliced(rates), self.images_at(start, end), self.counting(end - start)
        if self.by_disagreement or self.no_fewer_steps is not None:
            return _packed(correct(model, images, tick))
        return [_packed(of_step) for of_step in correct_by_step(model, images, tick)]

    def images_at(self, start: int, end: int) -> Images:
        """Images of the confirmation split between two places of `confirmation_order`."""
        return self.images.blocks([self.images.splits.confirmation[i] for i in self.confirmation_order[start:end]])

    @cached_property
    def no_fewer_steps(self) -> str | None:
        """Why the accuracy after fewer time steps is not known from a run over all of them; None where it is."""
        image = (self.config.in_channels, self.config.image_size, self.config.image_size)
        return why_not_fewer(self.original, image, self.time_steps.original)

    def original_by_step(self) -> tuple[int, ...]:
        """Images of the confirmation split that the original gets right after every number of time steps, from one on.

        To be asked where `no_fewer_steps` is None.
        """
        parts = [self._original_by_step(start, end) for start, end in pairwise((0, *self.looks))]
        return tuple(sum(map(sum, of_step)) for of_step in zip(*parts, strict=True))

    def _original_by_step(self, start: int, end: int) -> list[list[bool]]:
        def compute() -> list[JsonValue]:
            found = correct_by_step(self.original, self.images_at(start, end), self.counting(end - start))
            return [_packed(of_step) for of_step in found]

        return _unpacked(self.workspace.recall(f"time-steps/{start}-{end}", compute))

    def _sliced(self, rates: Rates) -> SpikingModel:
        """The pruned model; the last one is kept for the next look at it."""
        name = self.name(rates)
        if self._last is None or self._last[0] != name:
            pruned = self.build_pruned(rates)
            self._last = name, build(self.family, pruned.config, pruned.state).to(self.device)
        return self._last[1]

    def _cells_of(self, rates: Rates) -> str:
        """What the names of a candidate's cells of the confirmation begin with: those that learn otherwise have others.

        What one has learned by time is named after its weights: how much it had time for differs from run to run.
        """
        name = "confirmation" if self.spec.repair == "none" else f"confirmation-{self.spec.repair}"
        if self.precision is not None:
            name = f"{name}-stored-{self.precision}"
        known = self.name(rates)
        if recovered := self._recovered(rates):
            return f"{name}-{digest(recovered.state)}/{known}"
        if self.training is None or not self.spec.fine_tuning.epochs or self.spec.fine_tuning.is_timed:
            return f"{name}/{known}"
        learned = (self.spec.fine_tuning.model_dump(mode="json"), self.training.data.fingerprint(), self.spec.seed)
        return f"{name}-{hashlib.sha256(json.dumps(learned).encode()).hexdigest()[:8]}/{known}"

    def original_accuracy(self) -> float:
        """The original's accuracy on the confirmation split."""
        right = self.confirmed_correct({})
        return sum(right) / len(right)

    def judge(self, point: CurvePoint, samples: int) -> Paired:
        """Compare a candidate with the original on the first images of the confirmation split.

        Args:
            point: the candidate.
            samples: images after which candidates are looked at (`promise.looks.look_counts`).
        """
        found = self._first_correct(point.rates, samples)
        return differing(found) if self.by_disagreement else paired(self._first_correct({}, samples), found)

    def build_pruned(self, rates: Rates) -> Pruned:
        """Slice the original, repaired, fine-tune the result if the spec says so, and round it as it will be stored.

        Without rates it is the original, over all its time steps, as it is: a promise that nothing is lost needs no
        test.

        Raises:
            SpecError: if the precision of the stored weights cannot hold one.
        """
        if not rates:
            return Pruned(config=self.config, stored=self.stored_original)
        config, state = self.repaired_state(rates)
        if recovered := self._recovered(rates):
            return Pruned(config=config, stored=as_stored(recovered.state, self.precision))
        settings = self.spec.fine_tuning
        if self.training is None or not settings.epochs or settings.is_timed:
            return Pruned(config=config, stored=as_stored(state, self.precision))
        model = build(self.family, config, state).to(self.device)
        lesson = Lesson(
            model=model, teacher=self.original, training=self.training, settings=settings, seed=self.spec.seed,
            course=by_epochs(settings, len(self.training.indices)),
        )  # fmt: skip
        snapshot = self.workspace.path(SNAPSHOT.format(self.name(rates)))
        losses = fine_tune(lesson, snapshot, lambda done, total: self.note(f"fine-tuning, batch {done:,} of {total:,}"))
        tuned = {name: value.detach().cpu().to(state[name].dtype) for name, value in model.state_dict().items()}
        return Pruned(config=config, stored=as_stored(tuned, self.precision), losses=losses)

    def _recovered(self, rates: Rates) -> Recovered | None:
        """What a candidate has learned by time; None if it is delivered without."""
        found = self.recovered.get(self.name(rates)) if rates else None
        return found if found and found.is_kept else None

    def repaired_state(self, rates: Rates) -> tuple[FamilyConfig, dict[str, Tensor]]:
        """The original sliced, repaired, before it learns anything: its config and its state dict."""
        changed = {**self.state, **self.repaired(rates)}
        return prune(self.family, self.shorter_config, changed, self.plan(rates))

    def counting(self, total: int) -> Callable[[int], None]:
        """A callback that notes how many of ``total`` images are done, and how long the others will take."""
        began = time.monotonic()

        def tick(done: int) -> None:
            left = (time.monotonic() - began) * (total - done) / max(done, 1)
            soon = f", about {left:.0f} s left" if left >= LONG_SECONDS else ""
            self.note(f"image {done:,} of {total:,}{soon}")

        return tick


def _packed(right: Sequence[bool]) -> str:
    """Who is right, image by image, as a cell has it."""
    return "".join("01"[is_right] for is_right in right)


def _unpacked(cell: JsonValue) -> list[list[bool]]:
    """Of a cell, after every number of time steps that it knows of; a text is of all of them."""
    texts = [cell] if isinstance(cell, str) else cast("list[str]", cell)
    return [[bit == "1" for bit in text] for text in texts]


def fingerprint(plan: Plan) -> str:
    """A short name for a plan, the same in every process."""
    return hashlib.sha256(json.dumps(plan.kept, sort_keys=True).encode()).hexdigest()[:24]
