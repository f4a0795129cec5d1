"""The page of the study: tables and a figure from the files of its runs, between two marks of ``docs/results.md``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

BEGIN, END = "<!-- study: written by python -m bench.study -->", "<!-- end of the study -->"
FIGURE = "study.png"
ENOUGH = 500
"""Images of no split: a bound of fewer says nothing."""

ORDER = ("deep", "sensitivity", "uniform", "gram-refit", "paper")
LEVERS = ("int8", "fewer-steps", "distilled", "distilled-half")
RETARGET = "retarget"
COLOURS = {
    "deep": "#1b6ca8",
    "sensitivity": "#2a9d8f",
    "uniform": "#e9a23b",
    "gram-refit": "#c8553d",
    "paper": "#666666",
}

Run = dict[str, Any]


def write(runs: Path, docs: Path) -> None:
    """Write the study's part of the page, and its figure."""
    found = [json.loads(path.read_text()) for path in sorted(runs.rglob("*.json"))]
    if not found:
        return
    _draw(found, docs / FIGURE)
    page = docs / "results.md"
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2].strip()
    parts = [before.rstrip(), BEGIN, study(found).rstrip(), END, *([after] if after else [])]
    page.write_text("\n\n".join(parts) + "\n")


def study(found: Sequence[Run]) -> str:
    """The study's part of the page."""
    parts = ["![savings, and drops on images of no split where there are enough](study.png)\n"]
    found = with_versions(found)
    for model, runs in groupby(sorted(found, key=lambda run: str(run["model"])), lambda run: str(run["model"])):
        every = [*runs]
        parts += [f"### {model}\n", _ways([run for run in every if _plain(run["way"]) in ORDER])]
        levers = [run for run in every if _plain(run["way"]) in LEVERS]
        if levers:
            parts += ["The deep preset with one lever more:\n", _ways(levers)]
        parts += [_others(run) for run in every if _plain(run["way"]) == RETARGET]
        changed = [run for run in every if _plain(run["way"]) not in (*ORDER, *LEVERS, RETARGET)]
        if changed:
            parts += ["One part of the deep preset exchanged, one seed:\n", _ways(changed)]
    return "\n".join(parts)


def with_versions(runs: Sequence[Run]) -> list[Run]:
    """The same, with the version in the names of those ways of which the preset has a newer one."""
    newest: dict[str, str] = {}
    for run in runs:
        preset = run["key"]["spec"]["preset"]
        newest[preset] = max(newest.get(preset, ""), run["key"]["method"])
    return [
        run if run["key"]["method"] == newest[run["key"]["spec"]["preset"]]
        else {**run, "way": f"{run['way']}, version {run['key']['method']}"}
        for run in runs
    ]  # fmt: skip


def _plain(way: object) -> str:
    return str(way).partition(", version")[0]


def _ways(runs: Sequence[Run]) -> str:
    rows = [
        "| way | seeds | saved | drop, confirmation | its bound | drop, no split (95 % bounds) | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    order = {way: place for place, way in enumerate(ORDER)}
    ways = sorted({str(run["way"]) for run in runs}, key=lambda way: (order.get(_plain(way), len(order)), way))
    for way in ways:
        own = [run for run in runs if run["way"] == way]
        rest = [found for run in own if (found := _rest(run))]
        none = "too few images" if not rest else _spread([r["drop"] for r in rest], 100, 2)
        if rest:
            none += (
                f" ({100 * min(r['lower_bound'] for r in rest):.2f} to {100 * max(r['upper_bound'] for r in rest):.2f})"
            )
        confirmed = [run["confirmation"] for run in own]
        rows.append(
            f"| {way} | {len(own)} | {_spread([run['memory_saving'] for run in own], 100, 1)} %{_stored(own)}"
            f" | {_spread([c['drop'] for c in confirmed], 100, 2)}"
            f" | {_spread([c['upper_bound'] for c in confirmed], 100, 2)} | {none}"
            f" | {_seconds(own)} |"
        )
    machines = sorted({str(run["machine"]) for run in runs})
    return "\n".join([*rows, "", f"Machines: {'; '.join(machines)}.", ""])


def _seconds(runs: Sequence[Run]) -> str:
    """What whole runs took: not those that took over what earlier ones had computed."""
    whole = [run["seconds"] for run in runs if not run.get("taken_over")]
    return _spread(whole, 1, 0) if whole else ""


def _stored(runs: Sequence[Run]) -> str:
    """What is saved of the stored bytes, where that is more than pruning saves."""
    saved = [run["stored_saving"] for run in runs if (run.get("stored_saving") or 0) > run["memory_saving"] + 0.01]
    return f", of stored bytes {_spread(saved, 100, 1)} %" if saved else ""


def _others(run: Run) -> str:
    """Other budgets of one finished run, which took its whole time."""
    rows = [
        f"Other budgets of the curve of one run ({run['way']}, seed {run['seed']}, {run['seconds']:.0f} s;"
        f" {run['machine']}):\n",
        "| budget, points | verdict | saved | drop, confirmation | its bound | drop, no split | seconds | share |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in run["others"]:
        rest = _rest(one)
        apart = "too few images" if rest is None else f"{100 * rest['drop']:.2f}"
        rows.append(
            f"| {100 * one['max_accuracy_drop']:.1f} | {one['verdict']} | {100 * one['memory_saving']:.1f} %"
            f" | {100 * one['drop']:.2f} | {100 * one['upper_bound']:.2f} | {apart} | {one['seconds']:.0f}"
            f" | {one['seconds'] / run['seconds']:.2f} |"
        )
    return "\n".join([*rows, ""])


def _rest(run: Run) -> dict[str, Any] | None:
    """What was found on images of no split, where there are enough of them."""
    found: dict[str, Any] | None = run["rest"]
    return found if found and found["samples"] >= ENOUGH else None


def _spread(values: Iterable[float], times: float, digits: int) -> str:
    """The median, and the range of several."""
    found = [times * value for value in values]
    middle = f"{median(found):.{digits}f}"
    return middle if len(found) < 2 else f"{middle} ({min(found):.{digits}f} to {max(found):.{digits}f})"


def _draw(found: Sequence[Run], path: Path) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot  # after the back end is chosen

    models = sorted({str(run["model"]) for run in found})
    figure, axes = pyplot.subplots(1, len(models), figsize=(4.2 * len(models), 3.6), squeeze=False)
    for model, axis in zip(models, axes[0], strict=True):
        for way in ORDER:
            own = [run for run in found if run["model"] == model and run["way"] == way]
            drops = [100 * (_rest(run) or run["confirmation"])["drop"] for run in own]
            axis.scatter([100 * run["memory_saving"] for run in own], drops, label=way, color=COLOURS[way], s=28)
        allowed = next(run["key"]["spec"]["budget"]["max_accuracy_drop"] for run in found if run["model"] == model)
        axis.axhline(100 * allowed, color="#999999", linewidth=0.8, linestyle="--")
        axis.set(title=model, xlabel="parameter memory saved, %", ylabel="accuracy drop, points", xlim=(0, 100))
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
