"""The study: what every way of pruning saves under the same promise: ``python -m bench.study``, or ``make study``.

Every finished run is a small JSON file under ``bench/study``, with its key (checkpoint, data, spec, version of the
method), its seconds and its machine; what is missing or out of date is run, then ``docs/results.md`` is written. Models
and data lie beside the checkout; those that are not there are left as they are. ``--quick``: the digits alone.
``--kept FOLDER``: runs on one model and seed leave there what they have computed, and later ones take it over: what
they find is the same, their seconds are not, and are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench import study_page
from bench.models import processor
from primesvt_core.data import open_data
from primesvt_core.evaluation.accuracy import correct, pick_device
from primesvt_core.evaluation.splits import open_splits
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.pipeline import Request, compress
from primesvt_core.promise.bounds import drop_lower_bound, drop_upper_bound, paired
from primesvt_core.report.schema import Report
from primesvt_core.retargeting import RetargetRequest, retarget
from primesvt_core.spec import CompressionSpec, parse
from primesvt_core.workspace import reuse
from primesvt_core.workspace.sources import WORKSPACE
from primesvt_core.workspace.store import snapshots

METHODS = {"paper": "4", "deep": "5"}
"""Version of the method by preset: raise it when results change, so that every run is made anew."""

ROOT = Path(__file__).resolve().parents[1]
SHARED, RUNS = ROOT.parent / "shared", ROOT / "bench" / "study"
TRAINED = ROOT / "examples" / "trained"
SEEDS = (0, 1, 2)
DROP = 0.03


@dataclass(frozen=True)
class Subject:
    """A trained model, labelled images for it, and the drop that it may have."""

    name: str
    checkpoint: Path
    data: Path
    drop: float = DROP
    has_frames: bool = False

    @property
    def is_here(self) -> bool:
        return self.checkpoint.exists() and self.data.exists()


SUBJECTS = (
    Subject("digits", ROOT / "examples/spikformer-digits.pth.tar", ROOT / "examples/digits.npz"),
    Subject("cifar10", SHARED / "checkpoints/spikformer-2-192-cifar10.pth.tar", SHARED / "data/cifar10"),
    Subject("fashion", SHARED / "checkpoints/spikformer-8-96-fashion.pth.tar", SHARED / "data/fashion-mnist"),
    Subject(
        "nmnist", TRAINED / "spikingformer-nmnist.pth.tar", TRAINED / "nmnist-rest.npz", drop=0.05, has_frames=True
    ),
    Subject("fashion-sdt", TRAINED / "sdt-fashion.pth.tar", SHARED / "data/fashion-mnist"),
)
"""Of the last two `examples/README.md` says how to train them."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"preset": "paper"},
    "gram-refit": {
        "preset": "deep",
        "policy": "uniform",
        "criterion": "l2",
        "repair": "closed_form",
        "rates": [round(0.05 * n, 2) for n in range(1, 20)],
    },
    "uniform": {"preset": "deep", "policy": "uniform"},
    "sensitivity": {"preset": "deep", "policy": "sensitivity"},
    "deep": {"preset": "deep"},
}
"""On every model, with every seed. ``gram-refit`` is the baseline that refits consumers from Gram matrices (GRAIL,
arXiv 2602.23795): L2, closed form, one rate for all groups."""

PARTS: Mapping[str, Mapping[str, Any]] = {
    **{f"criterion {key}": {"criterion": key} for key in ("l1", "l2", "random", "activity", "variance", "taylor")},
    **{f"repair {key}": {"repair": key} for key in ("none", "batch_norm", "closed_form", "local")},
}
"""The deep preset with one part exchanged; with the first seed, on the models of `PARTED`."""

PARTED = ("digits", "cifar10")

LEVERS: Mapping[str, Mapping[str, Any]] = {
    "int8": {"preset": "deep", "weights": "int8"},
    "fewer-steps": {"preset": "deep", "budget": {"max_time_steps": 3}},
    "distilled": {"preset": "deep", "fine_tuning": {"seconds": 600}},
    "distilled-half": {
        "preset": "deep",
        "fine_tuning": {"seconds": 600},
        "budget": {"min_memory_saving": 0.5, "max_accuracy_drop": None},
    },
}
"""The deep preset with one lever more, on every model, with every seed. Distillation needs no labels, and has ten
minutes of one core: with ``OMP_NUM_THREADS=1``, since two are hardly faster. The half is delivered whatever it
loses."""

NO_MATTER = ("device", "baselines")
"""Fields of a spec that change nothing of what is delivered."""

OTHER_BUDGETS = (0.01, 0.015, 0.02, 0.025, 0.04)
RETARGET: Mapping[str, Mapping[str, Any]] = {"retarget": {"preset": "deep"}}
"""The deep preset, and then these budgets of its curve; with the first seed, on the model of `RETARGETED`, whose images
can prove them."""

RETARGETED = "cifar10"


@dataclass(frozen=True)
class Plan:
    """One run."""

    subject: Subject
    way: str
    seed: int
    changes: Mapping[str, Any]

    @property
    def file(self) -> Path:
        return RUNS / self.subject.name / f"{self.way.replace(' ', '-')}-{self.seed}.json"

    @property
    def spec(self) -> CompressionSpec:
        budget = {"max_accuracy_drop": self.subject.drop, **self.changes.get("budget", {})}
        return parse({**self.changes, "budget": budget, "seed": self.seed})

    def key(self) -> dict[str, Any]:
        """What the result depends on."""
        return {
            "method": METHODS[self.spec.preset],
            "checkpoint": _digest(self.subject.checkpoint),
            "data": _fingerprint(self.subject.data),
            "spec": {k: v for k, v in self.spec.model_dump(mode="json").items() if k not in NO_MATTER},
            **({"other_budgets": list(OTHER_BUDGETS)} if self.way in RETARGET else {}),
        }


@dataclass(frozen=True)
class Kept:
    """What the runs on one model and seed leave for each other: cells, fitted repairs, and the whole deep run."""

    root: Path

    @staticmethod
    def of(plan: Plan, folder: Path | None) -> Kept | None:
        """That of a plan, by what cells and repairs are determined by beside their names; None if nothing is kept."""
        if folder is None:
            return None
        steps = plan.changes.get("budget", {}).get("max_time_steps", "all")
        return Kept(folder / f"{plan.subject.name}-{plan.spec.preset}-{plan.seed}-{steps}")

    @property
    def deep(self) -> Path:
        """Results folder of the deep run, whose row says how long it took."""
        return self.root / "deep"

    def hand_over(self, workspace: Path) -> tuple[Path, ...]:
        """Copy fitted repairs into a workspace; returns the files of cells."""
        workspace.mkdir(parents=True)
        for path in snapshots(self.root):
            shutil.copyfile(path, workspace / path.name)
        return tuple(sorted(self.root.glob("*.cells")))

    def take(self, way: str, out: Path) -> None:
        """Keep what a finished run has computed."""
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out / reuse.FILE, self.root / f"{way.replace(' ', '-')}.cells")
        for path in snapshots(out / WORKSPACE):
            shutil.copyfile(path, self.root / path.name)
        if way == "deep":
            shutil.copytree(out, self.deep, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the digits alone")
    parser.add_argument("--models", nargs="*", default=tuple(subject.name for subject in SUBJECTS))
    parser.add_argument(
        "--ways", nargs="*", default=(*WAYS, *PARTS, *LEVERS, *RETARGET), help="in the order in which they are run"
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, a process each: several share a GPU well")
    parser.add_argument("--kept", type=Path, help="folder for what later runs take over from earlier ones")
    parser.add_argument("--no-page", action="store_true", help="leave docs/results.md as it is")
    asked = parser.parse_args()
    models = ("digits",) if asked.quick else asked.models
    missing = [
        plan
        for plan in plans()
        if plan.subject.name in models and plan.way in asked.ways and plan.seed in asked.seeds
        and plan.subject.is_here and not _is_done(plan)
    ]  # fmt: skip
    missing.sort(key=lambda plan: asked.ways.index(plan.way))
    print(f"{len(missing)} runs", flush=True)
    with ProcessPoolExecutor(asked.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        found = {pool.submit(run, plan, asked.device, asked.kept): plan for plan in missing}
        for number, done in enumerate(as_completed(found), 1):
            plan = found[done]
            print(
                f"{number} of {len(missing)}: {plan.subject.name}, {plan.way}, seed {plan.seed}: {done.result()}",
                flush=True,
            )
    if not asked.no_page:
        study_page.write(RUNS, ROOT / "docs")


def plans() -> Iterator[Plan]:
    """All runs of the study."""
    for subject in SUBJECTS:
        for seed in SEEDS:
            for way, changes in WAYS.items():
                yield Plan(subject, way, seed, changes)
            for way, changes in LEVERS.items():
                if not (subject.has_frames and way == "fewer-steps"):  # frames bring time steps of their own
                    yield Plan(subject, way, seed, changes)
        parts = {**(PARTS if subject.name in PARTED else {}), **(RETARGET if subject.name == RETARGETED else {})}
        for way, changes in parts.items():
            yield Plan(subject, way, SEEDS[0], {"preset": "deep", **changes})


def run(plan: Plan, device: str, folder: Path | None = None) -> str:
    """Make one run, and write its file; says what it saved.

    Args:
        plan: which.
        device: on which it computes.
        folder: keeps what runs leave for each other, if they do.
    """
    kept = Kept.of(plan, folder)
    with tempfile.TemporaryDirectory(prefix="study-") as temporary:
        place = Path(temporary)
        spec = plan.spec.model_copy(update={"device": device})
        report, out, seconds, taken_over = _whole(plan, spec, place / "out", kept)
        others = [_another(plan, out, place, drop) for drop in OTHER_BUDGETS] if plan.way in RETARGET else []
        found = {
            "key": plan.key(), "model": plan.subject.name, "way": plan.way, "seed": plan.seed, "seconds": seconds,
            "machine": processor() if report.environment["device"].startswith("cpu") else report.environment["device"],
            **_figures(report), "rest": _on_rest(plan, spec, out / "model.safetensors"),
            **({"taken_over": True} if taken_over else {}),
            **({"others": others} if others else {}),
        }  # fmt: skip
        plan.file.parent.mkdir(parents=True, exist_ok=True)
        plan.file.write_text(json.dumps(found, indent=1) + "\n")
        return f"{report.memory_saving:.1%} saved in {seconds:.0f} s"


def _whole(plan: Plan, spec: CompressionSpec, out: Path, kept: Kept | None) -> tuple[Report, Path, float, bool]:
    """A finished run: its report and folder, its seconds, and whether it took over what others had computed."""
    deep = plan_of_deep(plan)
    if plan.way in RETARGET and kept and kept.deep.is_dir() and _is_done(deep):
        report = Report.model_validate_json((kept.deep / "report.json").read_bytes())
        return report, kept.deep, float(json.loads(deep.file.read_text())["seconds"]), False
    cells = kept.hand_over(out / WORKSPACE) if kept else ()
    began = time.perf_counter()
    report = compress(
        Request(
            checkpoint=plan.subject.checkpoint, data=plan.subject.data, spec=spec, out=out,
            workspace=out / WORKSPACE, cells=cells,
        )
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if kept:
        kept.take(plan.way, out)
    return report, out, seconds, bool(cells)


def plan_of_deep(plan: Plan) -> Plan:
    """The plain deep run on the same model and seed."""
    return Plan(plan.subject, "deep", plan.seed, WAYS["deep"])


def _another(plan: Plan, run_folder: Path, place: Path, drop: float) -> dict[str, Any]:
    """Another budget of a finished run."""
    began, out = time.perf_counter(), place / f"out-{drop}"
    report = retarget(
        RetargetRequest(
            run=run_folder, max_accuracy_drop=drop, out=out, workspace=out / WORKSPACE,
            checkpoint=plan.subject.checkpoint, data=plan.subject.data,
        )
    )  # fmt: skip
    return {
        "max_accuracy_drop": drop, "seconds": time.perf_counter() - began, "verdict": report.verdict.value,
        "memory_saving": report.memory_saving, "drop": report.accuracy_drop,
        "upper_bound": report.confirmation.drop_upper_bound, "candidates": report.confirmation.candidates,
        "rest": _on_rest(plan, plan.spec, out / "model.safetensors"),
    }  # fmt: skip


def _figures(report: Report) -> dict[str, Any]:
    return {
        "verdict": report.verdict.value,
        "memory_saving": report.memory_saving,
        "stored_saving": report.stored_saving,
        "accuracy": report.baseline.accuracy,
        "confirmation": {
            "samples": report.confirmation.samples,
            "drop": report.accuracy_drop,
            "upper_bound": report.confirmation.drop_upper_bound,
            "candidates": report.confirmation.candidates,
        },
        "rates": {g.name: g.rate for g in report.groups if g.rate},
        "curve": [
            {
                "saving": round(point.memory_saving, 4),
                "divergence": point.divergence,
                "search_drop": round(point.loss, 5),
                "drop": point.confirmed_drop,
                "bound": point.drop_upper_bound,
            }
            for point in report.curve
        ],
        "differing": report.agreement.differing if report.agreement else None,
        "compared": report.agreement.compared if report.agreement else None,
        "steps": {name: round(took, 1) for name, took in report.timings.items() if not name.startswith("latency")},
    }


def _on_rest(plan: Plan, spec: CompressionSpec, pruned: Path) -> dict[str, Any] | None:
    """The drop on images of no split, with one-sided 95 % bounds; None where there are none."""
    device = pick_device(spec.device)
    images = open_splits(
        inspect(plan.subject.checkpoint), plan.subject.data, spec.preprocessing, spec.splits, seed=spec.seed,
        batch_size=spec.batch_size, classes=spec.class_reading,
    )  # fmt: skip
    rest = images.splits.rest(len(images.data))
    if not rest:
        return None
    before, after = (correct(load(path).to(device), images.blocks(rest)) for path in (plan.subject.checkpoint, pruned))
    pair = paired(before, after)
    return {
        "samples": pair.samples,
        "drop": pair.drop,
        "upper_bound": drop_upper_bound(pair, 0.95),
        "lower_bound": drop_lower_bound(pair, 0.95),
    }


def _is_done(plan: Plan) -> bool:
    try:
        return bool(json.loads(plan.file.read_text())["key"] == json.loads(json.dumps(plan.key())))
    except (OSError, ValueError, KeyError):
        return False


@cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _fingerprint(path: Path) -> str:
    return open_data(path).fingerprint()


if __name__ == "__main__":
    main()
