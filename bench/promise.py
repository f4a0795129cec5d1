"""How often the confirmation delivers a candidate that drops by more than the budget allows: at most 5 % are promised.

    python -m bench.promise [--runs 10000] [--json FILE] [--disagreement]

Every scenario of `tests.support.promises`, through the product's own code: monotone and other curves, true drops at,
just above and far above a budget of 3 points, 100 to 4,000 images, candidates that lose the same images or independent
ones; the same for disagreements, which need no labels.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

from tests.support.promises import Found, Scenario, row, scenarios, simulate


def table(found: dict[Scenario, Found]) -> str:
    """The most broken promises and the mean figures, by mode, images and curve, as Markdown."""
    parts: dict[tuple[str, int, str], list[tuple[Scenario, Found]]] = defaultdict(list)
    for scenario, one in found.items():
        mode = f"{scenario.mode}, disagreement" if scenario.by_disagreement else scenario.mode
        parts[mode, scenario.samples, scenario.curve].append((scenario, one))
    lines = [
        "| mode | images | curve | at | just above | far above | tests | images seen |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (mode, samples, curve), ones in sorted(parts.items()):
        worst = [
            f"{100 * max(one.broken for scenario, one in ones if scenario.level == level):.2f} %"
            for level in ("at", "just above", "far above")
        ]
        tests = sum(one.tests for _, one in ones) / len(ones)
        images = sum(one.images / one.tests for _, one in ones) / len(ones)
        lines.append(f"| {mode} | {samples:,} | {curve} | {' | '.join(worst)} | {tests:.2f} | {images:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--disagreement", action="store_true", help="only these scenarios")
    asked = parser.parse_args()
    chosen = [(seed, one) for seed, one in enumerate(scenarios()) if one.by_disagreement or not asked.disagreement]
    found = {scenario: simulate(scenario, asked.runs, seed) for seed, scenario in chosen}
    print(table(found))
    worst = max(found, key=lambda scenario: found[scenario].broken)
    print(f"\n{len(found)} scenarios of {asked.runs:,} runs; at most {found[worst].broken:.2%} broken: {worst}")
    if asked.json:
        rows = [row(scenario, one) for scenario, one in found.items()]
        asked.json.write_text(json.dumps({"runs": asked.runs, "scenarios": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
