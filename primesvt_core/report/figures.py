"""The report's pictures, as PNG: layers before and after, robustness curves, accuracy by memory and by time steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from primesvt_core.method.search import target_bytes
from primesvt_core.report.schema import Outcome, ProfileFigures, Report

BEFORE, AFTER, ACCENT, MUTED = "#9aa5b1", "#1f6feb", "#d9480f", "#57606a"
LINES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999933")
"""Okabe and Ito's colours, which stay apart for colour-blind readers."""

MARKERS = "osD^vP*"
"""One less than colours: no two of the first fifty-six curves look alike."""

DASHES = ("-", "--")
UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
WIDTH = 9.0
LEAST_NATS = 1e-6
"""Divergences that are smaller are drawn so: they are rounding."""

TESTED: Mapping[Outcome, tuple[str, str]] = {
    "confirmed": ("#009E73", "D"), "not proven": ("#E69F00", "s"), "not confirmed": (ACCENT, "x"),
}  # fmt: skip
"""Colour and marker of candidates on the confirmation split."""

MOST_CURVES = 12
"""Robustness curves that a legend can distinguish; of larger models those of the largest groups are drawn."""


def draw(report: Report) -> dict[str, bytes]:
    """All pictures, by name; one of time steps where accuracies are known of several."""
    found = {"layers": _layers(report), "robustness": _robustness(report), "accuracy_memory": _accuracy_memory(report)}
    return {**found, "time_steps": _time_steps(report)} if len(report.time_steps) > 1 else found


def _canvas(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#d8dee4", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _layers(report: Report) -> bytes:
    layers = report.layers
    unit, unit_bytes = _unit(max(layer.parameter_bytes_before for layer in layers))
    figure, axes = _canvas(max(3.0, 1.2 + 0.23 * len(layers)))
    rows = range(len(layers))
    axes.barh(rows, [x.parameter_bytes_before / unit_bytes for x in layers], color=BEFORE, height=0.75, label="before")
    axes.barh(rows, [x.parameter_bytes_after / unit_bytes for x in layers], color=AFTER, height=0.45, label="after")
    axes.set_yticks(rows, [layer.name for layer in layers], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel(f"parameter memory, {unit}")
    axes.set_title("Layers, largest first", loc="left", fontweight="bold")
    axes.legend(frameon=False, loc="lower right")
    return _png(figure)


def _unit(count: int) -> tuple[str, int]:
    """The largest unit of which there is at least one."""
    return next(((name, size) for name, size in UNITS if count >= size), UNITS[-1])


def _robustness(report: Report) -> bytes:
    figure, axes = _canvas(4.6)
    by_divergence = bool(report.profile) and all(cell.divergence is not None for cell in report.profile)
    curves = [(name, list(cells)) for name, cells in groupby(report.profile, key=lambda cell: cell.group)]
    for number, (name, cells) in enumerate(curves[:MOST_CURVES]):
        style = {
            "color": LINES[number % len(LINES)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": DASHES[number // len(LINES) % len(DASHES)],
        }
        rates, heights = _curve(cells, by_divergence=by_divergence)
        axes.plot(rates, heights, label=name, linewidth=1.6, markersize=5, **style)  # type: ignore[arg-type]
        bounds = [cell for cell in cells if cell.is_bound]
        at = [100 * cell.rate for cell in bounds], [100 * cell.loss for cell in bounds]
        axes.plot(*at, color=style["color"], marker="^", markersize=10, fillstyle="none", linestyle="none")
    if by_divergence:
        axes.set_yscale("log")
    elif report.confirmation.allowed_loss is not None:
        allowed = "allowed disagreement" if report.by_disagreement else "allowed drop"
        _limit(axes, 100 * report.confirmation.allowed_loss, allowed)
    axes.set_xlabel("channels of the group removed, %")
    lost = "disagreement with the original, %" if report.by_disagreement else "drop of accuracy, points"
    axes.set_ylabel("divergence from the original, nats" if by_divergence else lost)
    left = len(curves) - MOST_CURVES
    title = "Robustness: every channel group pruned alone (search split"
    title += "; triangles: at least)" if any(cell.is_bound for cell in report.profile) else ")"
    axes.set_title(title + (f"; {left} smaller groups not drawn" if left > 0 else ""), loc="left", fontweight="bold")
    if curves:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _png(figure)


def _curve(cells: Sequence[ProfileFigures], *, by_divergence: bool) -> tuple[list[float], list[float]]:
    """Rates in per cent, and how far a group takes the model at them; nothing lost at 0, which has no logarithm."""
    rates = [100 * cell.rate for cell in cells]
    if by_divergence:
        return rates, [max(cell.divergence or 0.0, LEAST_NATS) for cell in cells]
    return [0.0, *rates], [0.0, *(100 * cell.loss for cell in cells)]


def _limit(axes: Axes, height: float, label: str, at: float = 1.0) -> None:
    """A dashed line, with its label at the fraction ``at`` of its length."""
    axes.axhline(height, color=ACCENT, linewidth=1.2, linestyle="--")
    side, offset = ("right", -2) if at else ("left", 2)
    axes.annotate(
        label, (at, height), (offset, 3), ("axes fraction", "data"), "offset points", ha=side, color=ACCENT, size=8
    )


def _accuracy_memory(report: Report) -> bytes:
    """Against the original on the same images: the splits' own accuracies differ by more than a step costs.

    Where a disagreement is promised, by how much the agreement with the original is below all images.
    """
    figure, axes = _canvas(4.6)
    savings = [100 * point.memory_saving for point in report.curve]
    nats = [point.divergence for point in report.curve[1:]]
    if nats and all(value is not None for value in nats):
        _divergence(axes, savings[1:], [value or 0.0 for value in nats])
    else:
        axes.plot(savings, [-100 * p.loss for p in report.curve], color=AFTER, marker="o", label="search split")
    _tested(axes, report)
    if report.confirmation.allowed_loss is not None:
        floor = "allowed disagreement" if report.by_disagreement else "accuracy floor"
        _limit(axes, -100 * report.confirmation.allowed_loss, floor, at=0.0)
    target = target_bytes(report.spec.budget, report.baseline.parameter_bytes)
    if target is not None:
        saving = 100 * (1 - target / report.baseline.parameter_bytes)
        axes.axvline(saving, color=MUTED, linewidth=1.2, linestyle=":", label="target")
    axes.set_xlabel("parameter memory saved, %")
    what = "agreement with the original, below all images, %" if report.by_disagreement else None
    axes.set_ylabel(what or "accuracy against the original, points")
    axes.set_title(f"{'Agreement' if what else 'Accuracy'} and memory", loc="left", fontweight="bold")
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def _divergence(axes: Axes, savings: Sequence[float], nats: Sequence[float]) -> None:
    """The divergence of the curve's points, by an axis of its own on the right."""
    right = axes.twinx()
    right.set_yscale("log")
    right.invert_yaxis()
    right.spines["top"].set_visible(False)
    right.plot(savings, [max(value, LEAST_NATS) for value in nats], color=AFTER, marker="o")
    right.set_ylabel("divergence from the original, nats (search split)", color=AFTER)


def _tested(axes: Axes, report: Report) -> None:
    """Candidates on the confirmation split, each with a line down to its bound."""
    for outcome, (colour, marker) in TESTED.items():
        points = [point for point in report.curve if report.outcome(point) == outcome]
        if points:
            savings = [100 * point.memory_saving for point in points]
            drops = [-100 * (point.confirmed_loss or 0.0) for point in points]
            label = f"confirmation split, {outcome}"
            axes.scatter(savings, drops, color=colour, marker=marker, s=64, zorder=3, label=label)
    bounded = [point for point in report.curve if point.loss_upper_bound is not None]
    if bounded:
        savings = [100 * point.memory_saving for point in bounded]
        bounds = [-100 * (point.loss_upper_bound or 0.0) for point in bounded]
        drops = [-100 * (point.confirmed_loss or 0.0) for point in bounded]
        axes.vlines(savings, bounds, drops, color=MUTED, linewidth=1.4, label="down to its bound")


def _time_steps(report: Report) -> bytes:
    figure, axes = _canvas(3.0)
    steps = [each.time_steps for each in report.time_steps]
    before = [100 * each.before for each in report.time_steps]
    axes.plot(steps, before, color=BEFORE, marker="s", label="original")
    after = [100 * each.after for each in report.time_steps if each.after is not None]
    axes.plot(steps[: len(after)], after, color=AFTER, marker="o", label="pruned")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("time steps")
    by_labels = report.data.is_labelled
    axes.set_ylabel("accuracy, %" if by_labels else "agreement with the original over all of them, %")
    what = "Accuracy" if by_labels else "Agreement"
    axes.set_title(f"{what} after fewer time steps (confirmation split)", loc="left", fontweight="bold")
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)
