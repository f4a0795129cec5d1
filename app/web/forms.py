"""The form of a new job: what people type, in percent and points, and the constraint spec that it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

from primesvt_core import registry, spec
from primesvt_core.errors import SpecError

Kind = Literal["percent", "points", "mebibytes", "integer", "number", "percents", "names", "choice"]
MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One input; ``path`` is where its value goes in the spec."""

    name: str
    path: str
    label: str
    kind: Kind
    hint: str = ""
    low: float | None = None
    high: float | None = None
    placeholder: str = ""
    plugins: str = ""

    @property
    def unit(self) -> str:
        """What stands behind the input."""
        return {"percent": "%", "points": "points", "mebibytes": "MiB"}.get(self.kind, "")

    @property
    def is_number(self) -> bool:
        """Whether browsers should ask for a number."""
        return self.kind in ("percent", "points", "mebibytes", "integer", "number")

    @property
    def choices(self) -> tuple[str, ...]:
        """Plug-ins to choose from."""
        return registry.available(self.plugins) if self.plugins else ()


BUDGET = (
    FormField(
        name="max_accuracy_drop", path="budget.max_accuracy_drop", label="Lose at most", kind="points",
        hint="Accuracy points, below the original.", low=0, high=99.99,
    ),
    FormField(
        name="min_memory_saving", path="budget.min_memory_saving", label="Save at least", kind="percent",
        hint="Share of the parameter memory. Empty: as much as the accuracy allows.", low=0, high=99.99,
    ),
    FormField(
        name="min_accuracy", path="budget.min_accuracy", label="Keep an accuracy of", kind="percent",
        hint="Lowest accuracy of the pruned model.", low=0, high=99.99,
    ),
    FormField(
        name="max_parameter_mebibytes", path="budget.max_parameter_bytes", label="Need at most", kind="mebibytes",
        hint="Parameter memory of the pruned model.", low=0,
    ),
)  # fmt: skip

ADVANCED = (
    FormField(
        name="fine_tuning_epochs", path="fine_tuning.epochs", label="Fine-tuning epochs", kind="integer",
        hint="0: no training, the fastest.", low=0, placeholder="0",
    ),
    FormField(
        name="learning_rate", path="fine_tuning.learning_rate", label="Learning rate", kind="number", low=0,
        placeholder="0.0005",
    ),
    FormField(name="policy", path="policy", label="Policy", kind="choice", plugins="policies"),
    FormField(name="criterion", path="criterion", label="Criterion", kind="choice", plugins="criteria"),
    FormField(
        name="rates", path="rates", label="Rates, %", kind="percents", placeholder="10, 20, 30, 40, 50, 60, 70, 80, 90",
        hint="Pruning rates that profile and search try.",
    ),
    FormField(
        name="excluded_groups", path="excluded_groups", label="Groups to leave alone", kind="names",
        placeholder="embedding, block.*.attn.*", hint="Name patterns with * and ?, separated by commas.",
    ),
    FormField(
        name="search_images", path="splits.search_images", label="Images to search on", kind="integer", low=1,
        placeholder="1000",
    ),
    FormField(
        name="confirmation_images", path="splits.confirmation_images", label="Images to confirm on", kind="integer",
        low=1, placeholder="4000",
    ),
    FormField(
        name="confidence", path="confidence", label="Confidence of the promise", kind="percent", low=50, high=99.99,
        placeholder="95",
    ),
    FormField(
        name="time_steps", path="assumptions.time_steps", label="Time steps (T)", kind="integer", low=1,
        hint="Where the checkpoint cannot tell; empty: the family's default.",
    ),
    FormField(
        name="num_heads", path="assumptions.num_heads", label="Attention heads", kind="integer", low=1,
        hint="Likewise.",
    ),
    FormField(name="batch_size", path="batch_size", label="Batch size", kind="integer", low=1, high=4096,
              placeholder="50"),
    FormField(name="seed", path="seed", label="Seed", kind="integer", low=0, high=2**32 - 1, placeholder="0"),
)  # fmt: skip

FIELDS = (*BUDGET, *ADVANCED)
DEFAULTS: Mapping[str, str] = {"max_accuracy_drop": "3", "min_memory_saving": "25"}


@dataclass(frozen=True)
class Reading:
    """A form as read: the spec, and per field what is wrong (``""`` for what is no single field's fault)."""

    spec: dict[str, JsonValue]
    errors: dict[str, str] = field(default_factory=dict)


def read(values: Mapping[str, str]) -> Reading:
    """Make the spec that a form asks for, and check it."""
    document: dict[str, Any] = {"budget": {}}
    errors: dict[str, str] = {}
    for entry in FIELDS:
        typed = values.get(entry.name, "").strip()
        if not typed:
            continue
        try:
            _put(document, entry.path, PARSERS[entry.kind](typed))
        except (ValueError, OverflowError):
            errors[entry.name] = f"{typed[:40]!r} is not what belongs here: {WANTED[entry.kind]}."
    if not errors:
        errors = _check(document)
    return Reading(document, errors)


def _check(document: Mapping[str, Any]) -> dict[str, str]:
    try:
        spec.parse(document)
    except SpecError as error:
        told = error.facts.get("problems")
        lines = [str(line) for line in told] if isinstance(told, list) else [f"spec: {error.message}"]
        return dict(_blame(line) for line in reversed(lines))
    return {}


def _blame(line: str) -> tuple[str, str]:
    """The field at fault and what is wrong with it."""
    path, _, message = line.partition(": ")
    for entry in FIELDS:
        if path == entry.path or path.startswith(entry.path + "."):
            return entry.name, f"{message}."
    return "", NO_BUDGET if path == "budget" else f"{path}: {message}."


NO_BUDGET = "Say what is wanted: fill in at least one of the four."


def _put(document: dict[str, Any], path: str, value: JsonValue) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = value


def _number(typed: str) -> float:
    value = float(typed.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(typed)
    return value


def _fraction(typed: str) -> float:
    return round(_number(typed) / 100, 10)


def _fractions(typed: str) -> list[float]:
    return [_fraction(part) for part in typed.replace(";", ",").split(",") if part.strip()]


PARSERS: Mapping[Kind, Callable[[str], Any]] = {
    "percent": _fraction,
    "points": _fraction,
    "mebibytes": lambda typed: int(_number(typed) * MEBIBYTE),
    "integer": int,
    "number": _number,
    "percents": _fractions,
    "names": lambda typed: [name.strip() for name in typed.split(",") if name.strip()],
    "choice": str,
}

WANTED: Mapping[Kind, str] = {
    "percent": "a number of percent, for example 25",
    "points": "a number of points, for example 3",
    "mebibytes": "a number of MiB, for example 12.5",
    "integer": "a whole number",
    "number": "a number",
    "percents": "numbers of percent with commas between them, for example 10, 20, 30",
    "names": "names with commas between them",
    "choice": "one of the list",
}


def values_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What a form must hold to ask for a spec again."""
    found = {entry.name: _typed(entry.kind, _get(document, entry.path)) for entry in FIELDS}
    return {name: value for name, value in found.items() if value}


def _get(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _typed(kind: Kind, value: Any) -> str:
    if value is None:
        return ""
    if kind in ("percent", "points"):
        return f"{100 * value:.10g}"
    if kind == "mebibytes":
        return f"{value / MEBIBYTE:.10g}"
    if kind == "percents":
        return ", ".join(f"{100 * rate:.10g}" for rate in value)
    return ", ".join(map(str, value)) if kind == "names" else str(value)
