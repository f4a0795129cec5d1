"""Files of plans, as mappings: JSON, which is read fast, or YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from primesvt_client.errors import SpecError

LARGEST_BYTES = 64 << 20
"""Of a plan: reports of the largest models are a few megabytes."""

READ = ("schema_version", "family", "variant")
READ_OF: Mapping[str, tuple[str, ...]] = {"spec": ("channel_multiple",), "data": ("fingerprint",)}
READ_OF_GROUPS = ("name", "size_before", "size_after", "rate")
"""What is read of a report, of its parts, and of its groups."""

NO_LIMIT: Mapping[str, float] = {"min_memory_saving": 0.0}
"""The budget of a plan that limits nothing: every model meets it."""

SHOWN = 5
"""Keys that an error names."""


class _EachOnce(yaml.SafeLoader):
    """Refuses mappings that give a key twice, of which only the last would count."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        check_once([str(key.value) for key, _ in node.value])
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read_plan_file(path: Path) -> Mapping[str, Any]:
    """The document in a plan's file; not validated.

    Raises:
        SpecError: if it cannot be read, is too large, no mapping, or gives a key twice.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise SpecError(f"the plan {path} is larger than {LARGEST_BYTES >> 20} MiB")
        document = _parsed(content.decode("utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"cannot read the plan {path}: {error}") from None
    if not isinstance(document, dict) or not document:
        raise SpecError(f"the plan {path} is neither a report nor a mapping of channel groups to rates")
    return document


def essential(document: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's document without what no plan is read by: of a report, which may be megabytes, a few fields.

    Args:
        document: of a report, or of rates by channel group; not validated.
    """
    groups = document.get("groups")
    if not isinstance(groups, list):
        return dict(document)
    parts = {name: document[name] for name in READ if name in document}
    for name, fields in READ_OF.items():
        if isinstance(part := document.get(name), dict):
            parts[name] = _only(part, fields)
    return {**parts, "groups": [_only(group, READ_OF_GROUPS) if isinstance(group, dict) else group for group in groups]}


def _only(part: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {field: part[field] for field in fields if field in part}


def check_once(keys: Sequence[str]) -> None:
    """Refuse keys that are given twice.

    Raises:
        SpecError: naming them.
    """
    if len({*keys}) < len(keys):
        twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        raise SpecError(f"the plan gives {', '.join(twice[:SHOWN])} more than once")


def _parsed(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except json.JSONDecodeError:
        return yaml.load(text, _EachOnce)  # noqa: S506  # nosec B506  # a SafeLoader


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    check_once([key for key, _ in pairs])
    return dict(pairs)
