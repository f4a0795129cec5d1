"""Finding out what weights cannot tell: wrong heads or time steps load without an error, and guess worse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from primesvt_core.assessment import DEFAULT_BATCH, lay_out
from primesvt_core.errors import PrimeSVTError
from primesvt_core.evaluation import correct, pick_device
from primesvt_core.families._base import Value
from primesvt_core.intake import Inspection, build, inspect, load_state
from primesvt_core.spec import PreprocessingOverrides, SplitSizes

HEADS = (1, 2, 3, 4, 6, 8, 12, 16)
TIME_STEPS = (1, 2, 4, 8, 10, 16)
IMAGES = 200


@dataclass(frozen=True)
class Fit:
    """One choice, and how many of the same images it is right on."""

    num_heads: int | str | None
    """Of every stage, or of each, separated by commas."""
    time_steps: int
    accuracy: float

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt inspect --json`` prints."""
        return {"num_heads": self.num_heads, "time_steps": self.time_steps, "accuracy": self.accuracy}


def fits(
    path: Path,
    data: Path,
    given: Mapping[str, Value],
    told: Callable[[int, int], None],
    *,
    container: str | None = None,
) -> list[Fit]:
    """Accuracy under every number of heads that fits the shapes, then of time steps under the best of them, best first.

    What the caller gives is not varied; of equals the one that would be assumed comes first.

    Args:
        path: checkpoint.
        data: labelled images.
        given: assumptions of the caller.
        told: how many choices of how many have been tried.
        container: which weights of a file that has several.

    Raises:
        PrimeSVTError: if the checkpoint or the data cannot be read.
    """
    first = inspect(path, given, container=container)
    heads = [{"num_heads": n} for n in _varied(first, given, "num_heads", HEADS)]
    steps = [{"time_steps": n} for n in _varied(first, given, "time_steps", TIME_STEPS)]
    total = 1 + len(heads) + len(steps)
    with TemporaryDirectory(prefix="primesvt-fits-") as scratch:
        found = [_tried(first, data, Path(scratch))]
        told(1, total)
        for choices in (heads, steps):
            best = max(found, key=lambda fit: fit.accuracy)
            for choice in choices:
                known: dict[str, Value] = {**given, "time_steps": best.time_steps, **choice}
                if best.num_heads is not None:
                    known.setdefault("num_heads", best.num_heads)
                found += [_tried(one, data, Path(scratch)) for one in _inspected(path, known, first)]
                told(min(len(found), total), total)
    return sorted(found, key=lambda fit: -fit.accuracy)


def _varied(inspection: Inspection, given: Mapping[str, Value], field: str, values: tuple[int, ...]) -> list[int]:
    if field in given or field not in inspection.family.asked:
        return []
    return [value for value in values if value != getattr(inspection.config, field)]


def _inspected(path: Path, known: Mapping[str, Value], first: Inspection) -> Iterator[Inspection]:
    """The checkpoint under other assumptions, if it allows them."""
    asked = {name: value for name, value in known.items() if name in first.family.asked}
    try:
        yield inspect(path, asked, container=first.checkpoint.container or None)
    except PrimeSVTError:
        return


def _tried(inspection: Inspection, data: Path, scratch: Path) -> Fit:
    sizes = SplitSizes(search_images=IMAGES)
    images = lay_out(inspection, data, PreprocessingOverrides(), sizes, seed=0, batch_size=DEFAULT_BATCH)
    model = build(inspection.family, inspection.config, load_state(inspection, scratch / "checkpoint.safetensors"))
    right = correct(model.to(pick_device("auto")), images.batches(images.splits.search))
    heads = getattr(inspection.config, "num_heads", None) if "num_heads" in inspection.family.asked else None
    return Fit(heads, inspection.config.time_steps, sum(right) / len(right))
