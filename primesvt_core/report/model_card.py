"""The model card, ``README.md`` as Hugging Face lays it out: front matter for machines, the rest for people.

Names of classes and files are a stranger's: they are data in the front matter, which is dumped and never pasted, and
escaped in the text, where they can be no markup.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from primesvt_client.shares import percent_text, points_text
from primesvt_client.sizes import size_text
from primesvt_core.report.reproducing import command
from primesvt_core.report.schema import Report

FILE = "README.md"
LIBRARY = "primesvt"
LONGEST_TEXT = 300
ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation})


def model_card(report: Report) -> str:
    """The card of a run's delivered model."""
    matter = yaml.safe_dump(front_matter(report), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{matter}---\n\n" + "\n".join(_text(report)).rstrip() + "\n"


def front_matter(report: Report) -> dict[str, Any]:
    """What hubs read: tags, library, metrics, and under ``primesvt`` what it was made from."""
    found: dict[str, Any] = {
        "library_name": LIBRARY,
        "pipeline_tag": "image-classification",
        "tags": ["spiking-neural-network", "pruning", LIBRARY, report.family],
        LIBRARY: {
            "version": report.primesvt_version,
            "verdict": report.verdict.value,
            "base_model_sha256": report.checkpoint_sha256,
            "model_sha256": report.model_sha256,
            "data_fingerprint": report.data.fingerprint,
            "parameter_bytes": report.pruned.parameter_bytes,
            "memory_saving": report.memory_saving,
        },
    }
    if report.pruned.accuracy is not None:
        found["model-index"] = [
            {
                "name": f"{report.family} ({plain(report.variant)})",
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": plain(report.data.name), "type": report.data.fingerprint},
                        "metrics": [
                            {"type": "accuracy", "value": report.pruned.accuracy},
                            {"type": "accuracy_drop", "value": report.accuracy_drop},
                            {"type": "accuracy_drop_upper_bound", "value": report.confirmation.drop_upper_bound},
                        ],
                    }
                ],
            }
        ]
    return found


def plain(text: str) -> str:
    """A text in one line, of what can be seen, and not too long."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_TEXT]


def escaped(text: str) -> str:
    """A text that is nothing but text in Markdown."""
    return plain(text).translate(ESCAPED)


def _text(report: Report) -> Iterator[str]:
    yield f"# {report.family} ({escaped(report.variant)}), pruned by {percent_text(report.memory_saving)}\n"
    yield (
        f"A {report.family} whose channels were removed by PrimeSVT {report.primesvt_version} (arXiv 2606.03428)."
        f" Verdict: `{report.verdict.value}`. {report.meaning}\n"
    )
    yield "## What was measured\n"
    yield from _measured(report)
    yield "## What is promised\n"
    yield from _promised(report)
    if report.baselines:
        yield "## Beside others of the same memory\n"
        yield from _baselines(report)
    yield "## How to load it\n"
    yield from _loading()
    yield "## Limits\n"
    yield from _limits(report)
    yield "## How it was made\n"
    yield from _fenced(command(report))
    yield f"CHECKPOINT has the SHA-256 `{report.checkpoint_sha256}`, DATA the fingerprint `{report.data.fingerprint}`."


def _measured(report: Report) -> Iterator[str]:
    before, after = report.baseline, report.pruned
    yield (
        f"On {report.confirmation.samples:,} images of {escaped(report.data.name)} that the search did not see, in"
        f" {len(report.data.classes):,} classes:\n"
    )
    rows = [("Parameter memory", size_text(before.parameter_bytes), size_text(after.parameter_bytes))]
    if before.accuracy is not None and after.accuracy is not None:
        rows.append(("Accuracy", percent_text(before.accuracy), percent_text(after.accuracy)))
    rows.append(("Parameters", f"{before.parameters:,}", f"{after.parameters:,}"))
    if before.macs is not None and after.macs is not None:
        rows.append(("Multiply-accumulates of one image", f"{before.macs:,}", f"{after.macs:,}"))
    yield from _table(("", "original", "this model"), rows)


def _promised(report: Report) -> Iterator[str]:
    found = report.confirmation
    told = percent_text if report.by_disagreement else points_text
    what = "disagreement with the original" if report.by_disagreement else "accuracy drop"
    bound = found.disagreement_upper_bound if report.by_disagreement else found.drop_upper_bound
    allowed = found.allowed_disagreement if report.by_disagreement else found.allowed_drop
    bound_text = (
        "" if bound is None else f"The {what} is at most {told(bound)} with {percent_text(found.confidence)} confidence"
    )
    about = f", by a test on {found.samples:,} held-out images of the same data set"
    if found.held and allowed is not None:
        yield f"{bound_text}{about}; {told(allowed)} was allowed.\n"
    elif bound_text:
        yield f"Nothing is promised. {bound_text}{about}, if only this model is looked at.\n"
    else:
        yield "Nothing is promised.\n"


def _baselines(report: Report) -> Iterator[str]:
    told = percent_text if report.by_disagreement else points_text
    yield f"On {report.baselines[0].samples:,} images of the search, with the same repair:\n"
    rows = [
        (one.name, percent_text(one.memory_saving), told(one.loss), f"{one.divergence:.4f}") for one in report.baselines
    ]
    yield from _table(("", "memory saved", "lost", "divergence, nats"), rows)


def _loading() -> Iterator[str]:
    yield (
        "```python\n"
        "import primesvt\n\n"
        'model = primesvt.load("model.safetensors")  # (B, C, H, W) or (B, T, C, H, W) in, logits out\n'
        "```\n"
    )
    yield "`primesvt export model.safetensors --to onnx --out model.onnx` and others write it for other software.\n"


def _limits(report: Report) -> Iterator[str]:
    yield "- The promise is about images like those of the data set, and about their mean: a class may lose more."
    for each in report.worst_classes(3):
        right = f"{each.right_before:,} of {each.images:,} images right before, {each.right_after:,} after"
        yield f"- {escaped(each.name)}: {right}."
    yield "- Nothing was measured on other data, nor on hardware other than that of the report."
    for note in report.notes:
        yield f"- {escaped(note)}"
    yield ""


def _fenced(code: str) -> Iterator[str]:
    """A block of code, between marks that are not in it."""
    fence = "`" * (max(map(len, re.findall("`{3,}", code)), default=2) + 1)
    yield f"{fence}sh\n{code}\n{fence}\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
