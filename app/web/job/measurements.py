"""What one image costs before and after, and how often neurons fire; and what a report does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.web import labels
from primesvt_client.sizes import operations_text, size_text
from primesvt_core.report.schema import ModelFigures, Report

Written = Callable[[float], str]
MICRO = 1e6
MILLI = 1e3
FIRST_WITH_ALL = 2
"""Version of reports since which there are operations, energy and inference memory."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One figure of both models.

    Attributes:
        key: stable.
        label: what was measured.
        change: by what share it is less; empty where both are the same or nothing can be said.
        note: what it means, or how it was measured.
    """

    key: str
    label: str
    before: str
    after: str
    change: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class FiringRate:
    """One layer of neurons: mean spikes per neuron and time step; None where only the other model has it.

    Attributes:
        before_width: of its bar, in hundredths of the longest.
        after_width: likewise.
    """

    layer: str
    before: float | None
    after: float | None
    before_width: float
    after_width: float


def measurements(report: Report) -> tuple[Measurement, ...]:
    """What is known of both models, in the order in which people ask for it."""
    return tuple(row for row in (*_sizes(report), *_operations(report), *_latency(report)) if row is not None)


def absent(report: Report) -> str:
    """What a reader would look for in vain, and why; empty where nothing is missing."""
    lacks = [
        (report.pruned.macs, "multiply-accumulates"),
        (report.pruned.synaptic_operations, "synaptic operations"),
        (report.pruned.energy_joules, "energy"),
        (report.pruned.inference_memory_bytes, "inference memory"),
        (report.timings.get("latency_after"), "latency"),
        (report.pruned.firing_rates or None, "firing rates"),
        (report.time_steps or None, "accuracy by time steps"),
    ]
    missing = [name for value, name in lacks if value is None]
    if not missing:
        return ""
    names = f"{', '.join(missing[:-1])} and {missing[-1]}" if len(missing) > 1 else missing[0]
    if report.schema_version < FIRST_WITH_ALL:
        return f"Not in this report: {names}. PrimeSVT {report.primesvt_version} did not measure them yet."
    return f"Not in this report: {names}. {'They were' if len(missing) > 1 else 'It was'} not measured in this run."


def energy_note(report: Report) -> str:
    """From what energies and operations were computed; empty where there are none."""
    energy = report.energy
    if energy is None or report.pruned.energy_joules is None:
        return ""
    pico = 1e12
    return (
        f"Operations are the mean over {labels.count(energy.images)} search images. Energy is that of the arithmetic"
        f" alone: {pico * energy.joules_per_mac:g} pJ a multiply-accumulate, {pico * energy.joules_per_ac:g} pJ a"
        f" synaptic operation or a product of attention ({energy.source})."
    )


def firing_rates(report: Report) -> tuple[FiringRate, ...]:
    """Every layer of neurons, in the order of the original."""
    before, after = report.baseline.firing_rates, report.pruned.firing_rates
    most = max((*before.values(), *after.values()), default=0.0)

    def width(rate: float | None) -> float:
        return 100 * rate / most if rate and most > 0 else 0.0

    return tuple(
        FiringRate(
            layer=layer, before=before.get(layer), after=after.get(layer), before_width=width(before.get(layer)),
            after_width=width(after.get(layer)),
        )
        for layer in dict.fromkeys([*before, *after])
    )  # fmt: skip


def _row(
    key: str, label: str, before: float | None, after: float | None, written: Written, note: str = ""
) -> Measurement | None:
    """A figure that both models have."""
    if before is None or after is None:
        return None
    saved = 1 - after / before if before > 0 else 0.0
    change = (
        "" if before == after or before <= 0 else f"{labels.percent(abs(saved), 1)} {'less' if saved > 0 else 'more'}"
    )
    return Measurement(key=key, label=label, before=written(before), after=written(after), change=change, note=note)


def _sizes(report: Report) -> Iterator[Measurement | None]:
    before, after = report.baseline, report.pruned
    yield _row("parameters", "Parameters", before.parameters, after.parameters, operations_text)
    yield _row("parameter_bytes", "Parameter memory", before.parameter_bytes, after.parameter_bytes, size_text)
    stored = report.stored_bytes if report.stored_bytes != after.parameter_bytes else None
    yield _row("stored_bytes", "Stored parameters, with their scales", before.parameter_bytes, stored, size_text)
    yield _row("file_bytes", "Model file", before.file_bytes, after.file_bytes, size_text)
    schedules = (
        ("layerwise", "Inference memory, layer by layer", "peak, as torch and ONNX compute"),
        ("stepwise", "Inference memory, step by step", "peak, as a microcontroller computes"),
    )
    for schedule, label, note in schedules:
        found = [_peak(model, schedule) for model in (before, after)]
        yield _row(f"inference_{schedule}", label, found[0], found[1], size_text, note)
    yield _row(
        "activation",
        "Largest activations of a layer",
        before.peak_activation_bytes,
        after.peak_activation_bytes,
        size_text,
    )


def _peak(model: ModelFigures, schedule: str) -> int | None:
    found: int | None = getattr(model.inference_memory_bytes, schedule, None)
    return found


def _operations(report: Report) -> Iterator[Measurement | None]:
    before, after = report.baseline, report.pruned
    fields = (
        ("macs", "Multiply-accumulates, zeros counted", "all time steps"),
        ("synaptic_operations", "Synaptic operations", "accumulates that spikes cause"),
        ("multiply_accumulates", "Multiply-accumulates of layers without spikes", ""),
        ("attention_operations", "Products within attention", ""),
    )
    for name, label, note in fields:
        yield _row(name, label, getattr(before, name), getattr(after, name), operations_text, note)
    yield _row("energy", "Energy", before.energy_joules, after.energy_joules, _joules, "by the assumption below")
    yield _row("spikes", "Spikes", before.spikes_per_image, after.spikes_per_image, operations_text)


def _latency(report: Report) -> Iterator[Measurement | None]:
    found = [report.timings.get(name) for name in ("latency_before", "latency_after")]
    row = _row("latency", "Latency on the worker", found[0], found[1], _milliseconds, report.latency_words or "")
    if row is None:
        return
    spread = [_quartiles(report, name) for name in ("latency_before", "latency_after")]
    # Shares of what is within the spread of the runs would say more than was measured.
    yield Measurement(
        key=row.key, label=row.label, before=row.before + spread[0], after=row.after + spread[1],
        change="" if report.latency_words and "within" in report.latency_words else row.change, note=row.note,
    )  # fmt: skip


def _quartiles(report: Report, name: str) -> str:
    low, high = report.timings.get(f"{name}_low"), report.timings.get(f"{name}_high")
    return "" if low is None or high is None else f" ({_number(MILLI * low)} to {_number(MILLI * high)})"


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _milliseconds(seconds: float) -> str:
    return f"{_number(MILLI * seconds)} ms"


def _joules(joules: float) -> str:
    return f"{_number(MICRO * joules)} µJ"
