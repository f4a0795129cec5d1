"""Presets: the defaults of a new constraint spec, and what a spec that was kept means.

A preset only sets defaults; whatever a document gives overrides them. A document that was validated holds its preset
and every field that the preset has set, so that it means the same later, whatever the presets are then.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["deep", "paper"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "deep": {
        "policy": "allocate",
        "criterion": "reconstruction",
        "repair": "sequential",
        "rates": [0.125, 0.25, 0.5, 0.75, 0.9],
        "splits": {"calibration_images": 1000, "calibration_first": 256},
    },
    "paper": {
        "policy": "prioritized",
        "criterion": "l2",
        "repair": "none",
        "rates": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        "splits": {"calibration_images": 256},
    },
}
"""What each preset sets, as a part of a spec's document. ``paper`` is what a spec meant before there were presets."""

DEFAULT_PRESET: Preset = "deep"
"""Of a new spec that names none."""

KEPT_PRESET: Preset = "paper"
"""Of a spec that was kept before there were presets."""


def default_of(*path: str) -> Any:
    """What the default preset sets for a field of a spec, given by the keys that lead to it."""
    value: Any = PRESETS[DEFAULT_PRESET]
    for key in path:
        value = value[key]
    return value


def described(*path: str) -> str:
    """What each preset sets for a field, in a sentence."""
    found = []
    for name, preset in PRESETS.items():
        value: Any = preset
        for key in path:
            value = value[key]
        found.append(f"{value} ({name})")
    return f"Default of the preset: {', '.join(found)}."


def resolved(document: Mapping[str, Any], default: str = DEFAULT_PRESET) -> dict[str, Any]:
    """A spec's document with its preset and whatever that sets and the document does not give.

    Args:
        document: of a spec, not validated; is not changed. One with an unknown preset comes back as it is.
        default: the preset of a document that names none.
    """
    preset = document.get("preset", default)
    if not isinstance(preset, str) or preset not in PRESETS:
        return dict(document)
    return {"preset": preset, **_filled(document, PRESETS[preset])}


def kept(document: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's document that was stored, by this version or by one that knew no presets, resolved; not validated."""
    return resolved(document, KEPT_PRESET)


def given(document: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `resolved`: a document without what its preset sets anyway."""
    preset = document.get("preset")
    return _without(document, PRESETS[preset]) if isinstance(preset, str) and preset in PRESETS else dict(document)


def _filled(document: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(document)
    for name, value in defaults.items():
        if name not in found:
            found[name] = copy.deepcopy(value)
        elif isinstance(value, Mapping) and isinstance(found[name], Mapping):
            found[name] = _filled(found[name], value)
    return found


def _without(document: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in document.items():
        default = defaults.get(name)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            if left := _without(value, default):
                found[name] = left
        elif name not in defaults or value != default:
            found[name] = value
    return found
