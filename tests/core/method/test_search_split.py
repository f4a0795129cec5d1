"""Candidates on the search split: decisions are those of all images and of the reference, however they come about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import JsonValue

from primesvt_core.criteria import Criterion
from primesvt_core.engines import Engine, Predictions
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.method.profiling import explore
from primesvt_core.method.run import begin
from primesvt_core.method.search_cells import SearchCells
from primesvt_core.method.search_split import SearchSplit
from primesvt_core.method.shared_profile import compute_with_others, computing, explore_with_others
from primesvt_core.pipeline import Request, prepare, sort
from primesvt_core.pruning.patches import Patch
from primesvt_core.spec import parse
from primesvt_core.types import Rates
from primesvt_core.workspace.sharing import COMMON, Assignment, assist
from primesvt_core.workspace.store import CELLS
from tests.support.embedded import EXAMPLES

IMAGES, BATCH = 65, 10
RATES = (0.5, 0.9)
DROPS = (0.0, 0.02, 0.2)
Grid = dict[str, tuple[float, ...]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], SearchSplit]:
    """A split of the example, with a workspace of that name."""

    def made(name: str) -> SearchSplit:
        spec = parse(
            {
                "preset": "paper", "budget": {"max_accuracy_drop": 0.03}, "rates": list(RATES), "batch_size": BATCH,
                "splits": {"search_images": IMAGES, "confirmation_images": 100, "calibration_images": 5},
                "groups": ["block.*", "stem.2"],
            }
        )  # fmt: skip
        request = Request(
            checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=spec, out=tmp_path,
            workspace=tmp_path / name,
        )  # fmt: skip
        return begin(prepare(request)).split

    return made


def grid(split: SearchSplit) -> Grid:
    _, _, rates = sort(split.candidates)
    return rates


def every(rates: Grid) -> list[Rates]:
    return [{group: rate} for group, tried in rates.items() for rate in tried]


def whole(split: SearchSplit, rates: Rates) -> float:
    """The drop on all images, as the reference has it."""
    return split.start().accuracy - split.evaluate(rates).accuracy


def test_decisions_are_those_of_all_images(make: Callable[[str], SearchSplit]) -> None:
    early, late = make("early"), make("late")
    asked = every(grid(early))
    drops = [whole(late, rates) for rates in asked]
    for allowed in sorted(DROPS, reverse=True):
        assert early.decide(asked, allowed) == [drop <= allowed + 1e-9 for drop in drops]


def test_what_was_decided_early_is_a_bound(make: Callable[[str], SearchSplit]) -> None:
    early, late = make("early"), make("late")
    rates = grid(early)
    early.decide(every(rates), 0.0)
    late.compute(every(rates))
    cells = {(cell.group, cell.rate): cell for cell in early.profile_cells(rates)}
    truth = {(cell.group, cell.rate): cell for cell in late.profile_cells(rates)}
    assert cells.keys() == truth.keys()
    assert not any(cell.is_bound for cell in truth.values())
    assert all(cell.samples == IMAGES for cell in truth.values())
    bounds = [key for key, cell in cells.items() if cell.is_bound]
    assert bounds
    for key in cells:
        assert cells[key].accuracy_drop <= truth[key].accuracy_drop + 1e-9
        if key in bounds:
            assert cells[key].samples < IMAGES
        else:
            assert cells[key] == truth[key]


@pytest.mark.parametrize("allowed", [0.5, 1.0])
def test_what_is_within_a_generous_drop_is_measured_whole(make: Callable[[str], SearchSplit], allowed: float) -> None:
    """However early it is certain: the group is a target by this cell, and a bound would say that it lost too much."""
    split = make("w")
    rates = grid(split)
    within = split.decide(every(rates), allowed)
    cells = split.profile_cells(rates)
    assert sum(within) == sum(not cell.is_bound for cell in cells) > 0


class Wrong:
    """An engine that miscounts the first images of every block of a candidate."""

    def __init__(self, engine: Engine, images: int) -> None:
        self.engine, self.images = engine, images

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        found = self.engine.evaluate(block, patches)
        return [
            each if not patch.touched or block else replace(each, right=self._flipped(each.right))
            for patch, each in zip(patches, found, strict=True)
        ]

    def rebase(self, patch: Patch) -> None:
        self.engine.rebase(patch)

    def _flipped(self, right: Sequence[bool]) -> tuple[bool, ...]:
        return tuple(bit != (at < self.images) for at, bit in enumerate(right))


def test_near_the_threshold_the_reference_decides(make: Callable[[str], SearchSplit]) -> None:
    """The margin of 65 images that never differed on the original is 3: as many may be miscounted."""
    right, wrong = make("right"), make("wrong")
    sound = wrong.cells
    wrong.__dict__["cells"] = replace(sound, engine=Wrong(sound.engine, 3))
    asked = every(grid(right))
    for allowed in (0.0, 0.02, 0.05):
        assert wrong.decide(asked, allowed) == right.decide(asked, allowed)


def test_accepted_steps_are_checked_until_the_margin_is_one_image(make: Callable[[str], SearchSplit]) -> None:
    """65 images that never differed leave a margin of 3, 130 of 2 and 195 of 1."""
    split, truth = make("w"), make("truth")
    split.start()
    group, other = [*grid(split)][:2]
    chain: list[Rates] = [{group: 0.5}, {group: 0.9}, {group: 0.9, other: 0.5}, {group: 0.9, other: 0.9}]
    found = [split.accept(rates) for rates in chain]
    assert found == [truth.evaluate(rates) for rates in chain]
    assert split.agreement.compared == 3 * IMAGES
    with_check = [rates for rates in chain if any("reference" in key for key in split.remembered([rates]))]
    assert with_check == chain[:2]
    assert split.check(chain)
    assert split.agreement.compared == 5 * IMAGES


class Losing:
    """An engine that is right about nothing which candidates change."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seen = engine, list[int]()

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        self.seen += [block for patch in patches if patch.touched]
        found = self.engine.evaluate(block, patches)
        return [
            replace(each, right=(False,) * len(each.right)) if patch.touched else each
            for patch, each in zip(patches, found, strict=True)
        ]

    def rebase(self, patch: Patch) -> None:
        self.engine.rebase(patch)


def test_the_reference_sees_no_more_images_than_its_answer_needs(make: Callable[[str], SearchSplit]) -> None:
    split = make("w")
    split.start()
    rates = every(grid(split))[0]
    lost = split.original.right.count(True) - split.predictions(rates).right.count(True)
    reference = Losing(split.checks.engine)
    split.__dict__["checks"] = replace(split.checks, engine=reference)
    compared = split.agreement.compared
    assert not split.is_within(rates, lost / IMAGES)
    assert 0 < len(reference.seen) < split.checks.blocks
    assert split.known_answer(rates, lost / IMAGES) is False
    assert split.agreement.compared == compared


class Other:
    """An engine that predicts other classes of the first images of a block for what touches many tensors."""

    def __init__(self, engine: Engine, touched: int) -> None:
        self.engine, self.touched = engine, touched

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        found = self.engine.evaluate(block, patches)
        return [
            replace(each, classes=(each.classes[0] + 1, *each.classes[1:]), right=(not each.right[0], *each.right[1:]))
            if len(patch.touched) > self.touched
            else each
            for patch, each in zip(patches, found, strict=True)
        ]

    def rebase(self, patch: Patch) -> None:
        self.engine.rebase(patch)


def test_a_step_that_the_reference_sees_otherwise_counts_as_it_has_it(make: Callable[[str], SearchSplit]) -> None:
    split, truth = make("w"), make("truth")
    split.start()
    group, other = [*grid(split)][:2]
    chain: list[Rates] = [{group: 0.5}, {group: 0.9}, {group: 0.9, other: 0.9}]
    _, alone = split._name(chain[1])
    sound = split.cells
    split.__dict__["cells"] = replace(sound, engine=Other(sound.engine, len(alone.touched)))
    wanted = [truth.evaluate(rates) for rates in chain]
    assert [split.accept(rates) for rates in chain] != wanted
    assert not split.check(chain)
    assert split.agreement.differing == -(-IMAGES // BATCH)
    assert [split.accept(rates) for rates in chain] == wanted
    assert split.check(chain)


class Loopback:
    """A queue between two splits: every other part is computed by the helper."""

    def __init__(self, helper: SearchSplit, rates: Grid) -> None:
        self.compute, self.workspace = computing(helper, rates), helper.candidates.workspace
        self.wanted: dict[str, Rates] = {}
        self.helped = 0

    def publish(self, cells: Mapping[str, Rates]) -> None:
        self.wanted |= cells

    def next_batch(self) -> Assignment:
        if not self.wanted:
            return Assignment()
        mine, *others = [*self.wanted][:2]
        results: dict[str, JsonValue] = {}
        for key in others:
            self.compute({key: self.wanted.pop(key)})
            results[key] = self.workspace.recall(key, lambda: None)
            self.helped += 1
        return Assignment(to_compute={mine: self.wanted.pop(mine)}, results=results)


def test_a_profile_that_is_explored_with_others_is_that_of_one_alone(make: Callable[[str], SearchSplit]) -> None:
    alone, shared, helper = make("alone"), make("shared"), make("helper")
    rates, through = grid(alone), list[str]()
    explore(rates, 0.02, alone.decide, lambda _: None)
    queue = Loopback(helper, rates)
    explore_with_others(shared, rates, 0.02, through.append, queue)
    for split in (alone, shared):
        split.measure_agreement(every(rates))
    assert queue.helped > 0
    assert sorted(through) == sorted(name for name, tried in rates.items() if tried)
    assert shared.profile_cells(rates) == alone.profile_cells(rates)
    assert (shared.evaluations, shared.agreement) == (alone.evaluations, alone.agreement)


def test_a_whole_profile_with_others_is_that_of_one_alone(make: Callable[[str], SearchSplit]) -> None:
    alone, shared, helper = make("alone"), make("shared"), make("helper")
    rates, through = grid(alone), list[str]()
    alone.compute(every(rates))
    shares = list[float]()
    compute_with_others(shared, rates, through.append, shares.append, Loopback(helper, rates))
    assert sorted(through) == sorted(rates)
    assert (shares, shares[-1]) == (sorted(shares), 1.0)
    assert shared.profile_cells(rates) == alone.profile_cells(rates)


class FirstCommon:
    """The queue of a helper: what all must have the same, from the workspace of who published, then every part."""

    def __init__(self, publisher: SearchSplit) -> None:
        self.publisher, self.wanted = publisher, dict[str, Rates]()

    def publish(self, cells: Mapping[str, Rates]) -> None:
        self.wanted = dict(cells)
        workspace = self.publisher.candidates.workspace
        known = [json.loads(line) for line in workspace.path(CELLS).read_text().splitlines()]
        self.common = {cell["key"]: cell["value"] for cell in known if cell["key"].startswith(COMMON)}

    def next_batch(self) -> Assignment:
        wanted, self.wanted = self.wanted, {}
        return Assignment(to_compute=wanted, results=self.common if wanted else {})


class Stop(Exception):
    """Everything is published."""


@pytest.mark.parametrize(
    "share", [partial(compute_with_others, advance=lambda _: None), partial(explore_with_others, allowed_drop=0.02)]
)
def test_a_helper_derives_neither_scores_nor_order(
    make: Callable[[str], SearchSplit], monkeypatch: pytest.MonkeyPatch, share: Callable[..., None]
) -> None:
    """Nor would it find them: its calibration images may be others."""
    shared, helper = make("shared"), make("helper")
    rates, queue = grid(shared), FirstCommon(shared)

    def wait() -> Assignment:
        raise Stop

    with pytest.raises(Stop):
        share(shared, rates, observe=lambda _: None, queue=SimpleNamespace(publish=queue.publish, next_batch=wait))
    helper.candidates.criterion = Criterion(score=lambda *_: pytest.fail("it derives scores"))
    monkeypatch.setattr(helper, "_hardest_first", lambda: pytest.fail("it derives the order"))
    cells = dict(queue.wanted)
    assert assist(computing(helper, rates), helper.candidates.workspace, queue) == len(cells)
    assert helper.candidates.scores == shared.candidates.scores
    assert helper.order == shared.order
    assert all(helper.candidates.workspace.knows(key) for key in cells)


def test_cells_of_another_version_are_left_alone(make: Callable[[str], SearchSplit]) -> None:
    """While a service is upgraded, a helper may be newer than the worker whose job it helps with."""
    split = make("w")
    (rates, *_) = every(grid(split))
    first, *_ = split.keys(rates)
    split.compute_cells({"search/0a1b2c": rates, first: rates})
    assert [*split.remembered([rates])] == [first]


def test_cells_are_remembered_block_by_block(make: Callable[[str], SearchSplit]) -> None:
    split = make("w")
    (rates, *_) = every(grid(split))
    before = split.predictions(rates)
    keys = split.keys(rates)
    assert len(keys) == -(-IMAGES // BATCH)
    assert [SearchCells.block_of(key) for key in keys] == [*range(len(keys))]

    again = make("w")
    again.__dict__["cells"] = replace(again.cells, engine=None)  # type: ignore[arg-type]  # nothing is computed again
    found = again.predictions(rates)
    assert (found.classes, found.right) == (before.classes, before.right)
    assert found.divergence == pytest.approx(before.divergence, rel=1e-6)
    assert {*split.remembered([rates])} == {*keys}


def test_candidates_see_the_images_first_on_which_the_original_is_nearest_to_wrong(
    make: Callable[[str], SearchSplit],
) -> None:
    split = make("w")
    images = split.candidates.images
    blocks = images.blocks(images.splits.search)
    reference = ReferenceEngine(split.candidates.original, blocks)
    margins = [each for block in range(len(blocks)) for each in reference.evaluate(block, [Patch()])[0].margin]
    seen = [margins[place] for place in split.order]
    assert sorted(split.order) == [*range(IMAGES)]
    assert max(before - after for before, after in pairwise(seen)) < 0.02
    assert min(margins) == pytest.approx(seen[0], abs=0.02)


def test_the_order_is_found_once(make: Callable[[str], SearchSplit]) -> None:
    order = make("w").order
    again = make("w")
    again.__dict__["_hardest_first"] = None  # nothing is computed again
    assert again.order == order


def test_images_that_depend_on_each_other_stay_where_they_are(make: Callable[[str], SearchSplit]) -> None:
    split = make("w")
    split.candidates.original.depends_on_batch = True
    assert split.order == (*range(IMAGES),)


def test_cells_of_another_order_are_not_mixed_in(make: Callable[[str], SearchSplit]) -> None:
    mine, theirs = make("mine"), make("theirs")
    theirs.candidates.workspace.learn({"order": [*reversed(mine.order)]})
    (rates, *_) = every(grid(mine))
    assert not {*mine.keys(rates)} & {*theirs.keys(rates)}
    theirs.compute_cells(dict.fromkeys(mine.keys(rates), rates))
    assert theirs.remembered([rates]) == {}
