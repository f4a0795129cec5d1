"""The paper's own table for whoever has ImageNet: single shot, fine-tuned, and the default preset.

    python -m examples.imagenet CHECKPOINT --data VAL [--train-data TRAIN] --out runs/imagenet

compresses the checkpoint three times and prints ours beside what the paper reports (arXiv 2606.03428, of an original of
73.3 %). ``examples/imagenet.md`` says how long that takes, what it needs, and what nobody has tried yet.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primesvt_client.shares import percent_text
from primesvt_core.pipeline import Request, compress
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse

PAPER_SAVING, PAPER_BEFORE = 0.2668, 0.733
ALLOWED_DROP = 0.03
"""Between the paper's original and its model in a single shot."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of compressing.

    Attributes:
        name: for people.
        asked: a spec's document.
        saving: that the paper reports of it; None where it is ours alone.
        accuracy: likewise.
    """

    name: str
    asked: Mapping[str, Any]
    saving: float | None = None
    accuracy: float | None = None


def ways(epochs: int, changes: Mapping[str, Any]) -> Iterator[Way]:
    """The paper's two results, and what the default preset saves within the same drop.

    Args:
        epochs: of fine-tuning; 0 leaves it out.
        changes: of all specs.
    """
    paper = {
        "preset": "paper", "budget": {"max_accuracy_drop": ALLOWED_DROP, "min_memory_saving": PAPER_SAVING}, **changes
    }  # fmt: skip
    yield Way(name="paper preset, single shot", asked=paper, saving=PAPER_SAVING, accuracy=0.703)
    if epochs:
        tuned = {**paper, "fine_tuning": {"epochs": epochs}}
        yield Way(name="paper preset, fine-tuned", asked=tuned, saving=PAPER_SAVING, accuracy=0.729)
    yield Way(name="default preset", asked={"budget": {"max_accuracy_drop": ALLOWED_DROP}, **changes})


def table(found: Mapping[str, tuple[Way, Report]]) -> str:
    """Ours beside the paper's, a row for every way."""
    rows: list[tuple[str, ...]] = [
        ("", "paper: saved", "accuracy", "ours: saved", "original", "accuracy", "drop at most", "verdict")
    ]
    for name, (way, report) in found.items():
        figures = (report.memory_saving, report.baseline.accuracy, report.pruned.accuracy)
        bound = percent_text(report.confirmation.drop_upper_bound)
        ours = (*("" if figure is None else percent_text(figure) for figure in figures), bound, report.verdict.value)
        rows.append((name, _text(way.saving), _text(way.accuracy), *ours))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join((*lines, f"The paper's original reaches {_text(PAPER_BEFORE)}."))


def _text(share: float | None) -> str:
    return "" if share is None else f"{100 * share:g} %"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkpoint", type=Path)
    options.add_argument("--data", type=Path, required=True, help="validation images, a folder a class, or an archive")
    options.add_argument("--train-data", type=Path, help="training images, to calibrate and fine-tune on")
    options.add_argument("--out", type=Path, default=Path("runs/imagenet"))
    options.add_argument("--epochs", type=int, default=3, help="of fine-tuning; 0 leaves it out (default: %(default)s)")
    options.add_argument("--spec", type=json.loads, default={}, help="further fields of all specs, JSON")
    asked = options.parse_args()
    found = {}
    for way in ways(asked.epochs, asked.spec):
        print(f"{way.name} ...", flush=True)
        out = asked.out / way.name.replace(", ", "-").replace(" ", "-")
        spec = parse(way.asked)
        learns = spec.repair != "none" or spec.fine_tuning.epochs > 0  # others would not look at training images
        request = Request(
            checkpoint=asked.checkpoint, data=asked.data, train_data=asked.train_data if learns else None, spec=spec,
            out=out, workspace=out / "workspace",
        )  # fmt: skip
        found[way.name] = (way, compress(request))
    print(table(found))


if __name__ == "__main__":
    main()
