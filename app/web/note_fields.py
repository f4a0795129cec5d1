"""Tags and note of a job as forms have them: tags are typed with commas between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from primesvt_client.schemas.jobs import LONGEST_NOTE


class Notes(TypedDict):
    """Of a job."""

    tags: tuple[str, ...]
    note: str


def notes_of(values: Mapping[str, str]) -> Notes:
    """What is typed; too many tags, or too long ones, are refused where the job is made."""
    typed = (tag.strip() for tag in values.get("tags", "").split(","))
    note = values.get("note", "").replace("\r\n", "\n").replace("\0", "").strip()
    return Notes(tags=tuple(tag for tag in typed if tag), note=note[:LONGEST_NOTE])
