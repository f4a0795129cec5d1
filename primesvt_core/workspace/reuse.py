"""Cells of one run for another: kept as a file beside the results, and taken over where the same determines them.

What determines a cell (the model, the data set, its preprocessing and splits, how it is computed) is apart from what a
run is asked for (its budget, its policy): so a run with another budget computes no cell again.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from primesvt_core.workspace.atomic import write_atomically

FILE = "cells.jsonl.gz"
"""The file's name beside a run's results."""

LARGEST_BYTES = 1 << 30
"""What is read of such a file, unpacked."""

CHUNK = 1 << 20


def write_cells(inputs: Mapping[str, JsonValue], cells: Mapping[str, JsonValue], path: Path) -> None:
    """Write cells to a file; the same cells in the same order give the same bytes.

    Args:
        inputs: what determines them.
        cells: by name.
        path: of the file.
    """
    lines = ({"inputs": dict(inputs)}, *({"key": key, "value": value} for key, value in cells.items()))
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    write_atomically(path, gzip.compress(text.encode(), mtime=0))


def read_cells(path: Path, inputs: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The cells of a file, by name; none if the file is damaged, or if anything else determined them.

    Args:
        path: of the file.
        inputs: what determines the cells of the run that asks.
    """
    try:
        lines = iter(_text(path).splitlines())
        if json.loads(next(lines, "{}")) != {"inputs": json.loads(json.dumps(inputs))}:
            return {}
        return _cells(lines)
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # it saves time alone: what it lacks is computed
        return {}


def differing(path: Path, inputs: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Names of the inputs that determined the cells of a file and are others than these; of a damaged file all."""
    try:
        found = json.loads(next(iter(_text(path).splitlines()), "{}"))["inputs"]
        known = dict(found)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        known = {}
    wanted = json.loads(json.dumps(inputs))
    return tuple(sorted(name for name in {*wanted, *known} if wanted.get(name) != known.get(name)))


def _text(path: Path) -> str:
    with gzip.open(path) as file:
        chunks = iter(lambda: file.read(CHUNK), b"")
        content = b"".join(islice(chunks, LARGEST_BYTES // CHUNK))
        if file.read(1):
            raise ValueError(f"{path} holds more than {LARGEST_BYTES:,} bytes")
    return content.decode()


def _cells(lines: Iterable[str]) -> dict[str, JsonValue]:
    cells: dict[str, JsonValue] = {}
    for line in lines:
        cell = json.loads(line)
        if not isinstance(cell["key"], str):
            raise TypeError("a cell's name is a text")
        cells[cell["key"]] = cell["value"]
    return cells
