"""The job that the form of a new job asks for."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from app.api.deps import validate_id
from app.jobs.records import NewJob
from app.web.note_fields import notes_of
from primesvt_client.states import Priority

LONGEST_NAME = 200


def job_of(values: Mapping[str, str], spec: dict[str, JsonValue]) -> NewJob:
    """The job of a form whose uploads are chosen.

    Args:
        values: of its inputs.
        spec: that they say.

    Raises:
        NotFound: what is chosen is no upload.
    """
    return NewJob(
        checkpoint_id=validate_id(values["checkpoint_id"]),
        dataset_id=validate_id(values["dataset_id"]),
        train_dataset_id=validate_id(training) if (training := values.get("train_dataset_id")) else None,
        spec=spec,
        name=values.get("name", "").strip()[:LONGEST_NAME],
        priority=priority_of(values),
        **notes_of(values),
    )


def priority_of(values: Mapping[str, str]) -> Priority:
    """The priority that is chosen; the normal one if none is."""
    typed = values.get("priority", "")
    return Priority(typed) if typed in [*Priority] else Priority.NORMAL
