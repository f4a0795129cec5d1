"""The report as files: ``report.json``, ``report.html``, ``README.md``, ``layers.csv`` and ``figures/*.png``."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, PackageLoader, select_autoescape

from primesvt_client.shares import percent_text, points_text, rate_text
from primesvt_client.sizes import both_operations_text, size_text, sizes_text
from primesvt_core.report import model_card, reproducing
from primesvt_core.report.csv_tables import csv_line
from primesvt_core.report.figures import draw
from primesvt_core.report.schema import LayerFigures, Report
from primesvt_core.workspace.atomic import write_atomically


def write_report(report: Report, out: Path) -> tuple[Path, ...]:
    """Write every file of the report below ``out``; each is there whole or not at all."""
    pictures = draw(report)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": report.model_dump_json(indent=2).encode() + b"\n",
        "report.html": html(report, pictures).encode(),
        model_card.FILE: model_card.model_card(report).encode(),
        "layers.csv": layers_csv(report).encode(),
        **{f"figures/{name}.png": content for name, content in pictures.items()},
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    return tuple(out / name for name in contents)


class WithLayers(Protocol):
    """Any report."""

    @property
    def layers(self) -> tuple[LayerFigures, ...]:
        """Largest first."""


def layers_csv(report: WithLayers) -> str:
    """One row a layer, largest first; texts that a spreadsheet would take for formulas are quoted."""
    fields = LayerFigures.model_fields
    rows = ([_cell(getattr(layer, field)) for field in fields] for layer in report.layers)
    return "".join(csv_line(row) for row in (fields, *rows))


def _cell(value: object) -> object:
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def html(report: Report, pictures: dict[str, bytes]) -> str:
    """A page that needs nothing else: pictures inside, no script."""
    environment = Environment(
        loader=PackageLoader("primesvt_core.report"), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters |= {
        "percent": percent_text, "points": points_text, "rate": rate_text, "size": size_text, "sizes": sizes_text,
        "both_operations": both_operations_text, "count": lambda n: f"{n:,}",
        "lost": percent_text if report.by_disagreement else points_text,
    }  # fmt: skip
    encoded = {name: base64.b64encode(content).decode("ascii") for name, content in pictures.items()}
    outcomes = {report.outcome(point) for point in report.curve}
    return environment.get_template("report.html").render(
        report=report, pictures=encoded, outcomes=outcomes, command=reproducing.command(report),
        request=reproducing.request(report),
    )  # fmt: skip
