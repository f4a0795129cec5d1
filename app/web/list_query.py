"""What the list of jobs is asked for, by the query of its address: read leniently, and written again for links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Query

from app.jobs.filters import JobFilter
from app.jobs.sorting import Ordering
from app.jobs.states import TERMINAL, JobState
from primesvt_client.schemas.base import LONGEST_ID
from primesvt_client.schemas.jobs import LONGEST_TAG
from primesvt_client.spec_types import TEXT
from primesvt_client.states import Archived, JobSort, SortOrder, Verdict

ACTIVE = "active"
STATES: Mapping[str, tuple[JobState, ...]] = {
    "": (),
    ACTIVE: tuple(state for state in JobState if state not in TERMINAL),
    **{state.value: (state,) for state in JobState},
}
"""Choices of the filter."""

T = TypeVar("T")
NAMES = (
    "state", "verdict", "tag", "checkpoint_id", "dataset_id", "submitted_by", "q", "archived", "sort", "order",
)  # fmt: skip
"""Of the query, each with one value."""


@dataclass(frozen=True)
class ListQuery:
    """The query of a list of jobs; a value that is none of the choices is none at all."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, query: str) -> ListQuery:
        """From the text behind an address's question mark."""
        pairs = {name: value for name, value in parse_qsl(query) if name in NAMES and "\0" not in value}
        return cls(pairs)

    def value(self, name: str) -> str:
        """What is chosen; empty if nothing is."""
        return self.values.get(name, "").strip()

    @property
    def text(self) -> str:
        """As it stands behind an address's question mark."""
        return urlencode({name: self.value(name) for name in NAMES if self.value(name)})

    @property
    def wanted(self) -> JobFilter:
        """Which jobs."""
        verdict = self.value("verdict")
        return JobFilter(
            states=STATES.get(self.value("state"), ()),
            verdicts=(verdict,) if verdict in [*Verdict] else (),
            tags=(self.value("tag"),) if self.value("tag") else (),
            checkpoint_id=self.value("checkpoint_id"), dataset_id=self.value("dataset_id"),
            submitted_by=self.value("submitted_by"), text=self.value("q"),
            archived=_one_of(Archived, self.value("archived")) or Archived.EXCLUDE,
        )  # fmt: skip

    @property
    def ordering(self) -> Ordering:
        """In what order."""
        by = _one_of(JobSort, self.value("sort")) or JobSort.CREATED
        return Ordering(by=by, order=_one_of(SortOrder, self.value("order")))

    def address(self, cursor: str | None = None, sort: str = "") -> str:
        """Of the list, or of its next page; ``sort``: sorted by that, the other way round if it is already."""
        pairs = {name: self.value(name) for name in NAMES if self.value(name)}
        if sort:
            now = self.ordering
            pairs |= {"sort": sort, "order": ""}
            if now.by == sort and now.order is None:
                pairs["order"] = "asc" if now.is_descending else "desc"
        encoded = urlencode({name: value for name, value in {**pairs, "cursor": cursor or ""}.items() if value})
        return f"/?{encoded}" if encoded else "/"

    def api_address(self, path: str) -> str:
        """The same list by the API."""
        pairs = [(name, self.value(name)) for name in NAMES if self.value(name) and name != "state"]
        pairs += [("state", state.value) for state in self.wanted.states]
        return f"{path}?{urlencode(pairs)}" if pairs else path


def _one_of(kind: type[T], value: str) -> T | None:
    try:
        return kind(value)  # type: ignore[call-arg]
    except ValueError:
        return None


Short = Annotated[str, Query(max_length=20)]
Id = Annotated[str, Query(max_length=LONGEST_ID, pattern=TEXT)]


def _query(
    state: Short = "",
    verdict: Annotated[str, Query(max_length=40)] = "",
    tag: Annotated[str, Query(max_length=LONGEST_TAG, pattern=TEXT)] = "",
    checkpoint_id: Id = "",
    dataset_id: Id = "",
    submitted_by: Annotated[str, Query(max_length=254, pattern=TEXT)] = "",
    q: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
    archived: Short = "",
    sort: Short = "",
    order: Short = "",
) -> ListQuery:
    values = (state, verdict, tag, checkpoint_id, dataset_id, submitted_by, q, archived, sort, order)
    return ListQuery(dict(zip(NAMES, values, strict=True)))


def list_query() -> Any:
    """Dependency of a page: the query of its list."""
    return Depends(_query)
