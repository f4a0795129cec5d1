"""The files of a job in the order in which people need them, and what each is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from app.jobs.records import Artifact

PURPOSES = (
    ("model.safetensors", "The delivered model"),
    ("model*", "The delivered model in another form"),
    ("*.onnx", "The delivered model in another form"),
    ("report.html", "Report to read and to print"),
    ("README.md", "Model card"),
    ("report.json", "Report for programs; a plan for other checkpoints"),
    ("layers.csv", "Layers before and after, as a table"),
    ("figures/*", "Picture of the report"),
    ("provenance.*", "Signed statement of what was made from what"),
    ("*", ""),
    ("cells*", "Measurements, which further jobs take over"),
)
"""Patterns of names, first things first; the last that matches a name exactly counts before the general ones."""


@dataclass(frozen=True)
class Download:
    """One file and what it is for."""

    artifact: Artifact
    purpose: str


def in_order(artifacts: Iterable[Artifact]) -> tuple[Download, ...]:
    """The files of a job, first what everybody wants."""
    placed = [(_place(artifact.name), artifact) for artifact in artifacts]
    placed.sort(key=lambda one: (one[0], one[1].name))
    return tuple(Download(artifact, PURPOSES[place][1]) for place, artifact in placed)


def _place(name: str) -> int:
    matching = [place for place, (pattern, _) in enumerate(PURPOSES) if fnmatchcase(name, pattern)]
    special = [place for place in matching if PURPOSES[place][0] != "*"]
    return (special or matching)[0]
