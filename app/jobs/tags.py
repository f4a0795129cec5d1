"""Tags of jobs: short texts, by which people find jobs again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.jobs.models import JobRow, JobTagRow
from primesvt_client.schemas.jobs import LONGEST_TAG, MOST_TAGS


def tidied(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: each once, without characters that cannot be seen.

    Raises:
        Invalid: they are too many, or one is too long or has a comma, which separates them in forms.
    """
    found = tuple(dict.fromkeys(filter(None, map(_tidied, tags))))
    if len(found) > MOST_TAGS:
        raise Invalid(f"a job may have {MOST_TAGS} tags, not {len(found)}; leave some out")
    for tag in found:
        if len(tag) > LONGEST_TAG:
            raise Invalid(f"the tag {tag[:60]!r} has {len(tag)} characters and may have {LONGEST_TAG}; shorten it")
        if "," in tag:
            raise Invalid(f"the tag {tag!r} has a comma; give two tags, or another character")
    return found


def _tidied(tag: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", tag))
    return " ".join(shown.split())


def set_tags(session: Session, row: JobRow, tags: tuple[str, ...]) -> None:
    """Give a job, which is in the database, these tags and no others; in the caller's transaction."""
    row.tags = [*tags]
    session.execute(delete(JobTagRow).where(JobTagRow.job_id == row.id))
    session.add_all(JobTagRow(job_id=row.id, tag=tag, team_id=row.team_id) for tag in tags)
