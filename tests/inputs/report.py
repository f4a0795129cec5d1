"""Every input with what comes of it, for people: ``python -m tests.inputs.report`` prints a line each, then counts."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.inputs.outcomes import Outcome, outcome
from tests.inputs.test_inputs import ALL

LONGEST = 300


def line(name: str, found: Outcome) -> str:
    """An input in a line."""
    figures = (
        "" if found.accuracy is None or found.right is None else f" {found.accuracy:.2%}, right {found.right:.2%};"
    )
    return f"{found.kind:12}{name}:{figures} {found.told}"[:LONGEST].replace("\n", " ").rstrip(": ")


def main() -> int:
    """The exit status: 1 if another accuracy was found without a word."""
    warnings.simplefilter("ignore")  # of Pillow and NumPy, on what is damaged
    counts: Counter[str] = Counter()
    for given in ALL:
        with TemporaryDirectory() as folder:
            found = outcome(given, Path(folder))
        counts[found.kind] += 1
        sys.stdout.write(line(given.name, found) + "\n")
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    sys.stdout.write(f"{len(ALL)} inputs: {kinds}\n")
    return int(counts["silent"] > 0)


if __name__ == "__main__":
    sys.exit(main())
