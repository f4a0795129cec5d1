"""Reports as earlier versions wrote them."""

from __future__ import annotations

import json
from typing import Any

from primesvt_core.report.schema import Report

SINCE = (
    "inference_memory_bytes", "synaptic_operations", "multiply_accumulates", "attention_operations", "energy_joules",
)  # fmt: skip

NEW_IN_2 = {
    "": ("preset", "energy", "stored_bytes", "stored_saving", "classes", "time_steps"),
    "baseline": ("macs", *SINCE),
    "pruned": ("macs", *SINCE),
    "curve": ("divergence", "drop_upper_bound"),
    "spec": ("preset", "repair", "max_rates", "channel_multiple"),
}
"""Fields that version 1 did not have, by the part of the document."""


def version_1(report: Report) -> dict[str, Any]:
    """The document of a report, as the version before presets wrote it."""
    document: dict[str, Any] = json.loads(report.model_dump_json())
    document["schema_version"] = 1
    for part, names in NEW_IN_2.items():
        found = document[part] if part else document
        for one in found if isinstance(found, list) else [found]:
            for name in names:
                del one[name]
    del document["spec"]["budget"]["max_macs"]
    return document
