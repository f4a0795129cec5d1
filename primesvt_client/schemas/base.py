"""What all schemas of the REST API share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
)

SHA256 = r"^[0-9a-fA-F]{64}$"
ID = r"^[0-9a-z_]+$"
ID_OR_NONE = r"^[0-9a-z_]*$"
LONGEST_ID = 60


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("should be a number")  # noqa: TRY004  # which pydantic makes a refusal of
    return value


A_NUMBER = BeforeValidator(_number)
"""A number as JSON has it: neither text nor ``true``, which pydantic would take for one. Goes behind the bounds, or
these would be in no schema.
"""


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_MOMENT, LAST_MOMENT = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""A day within what Python and databases can say, in any time zone."""


def _within_reach(moment: datetime) -> datetime:
    try:
        return min(max(moment.astimezone(UTC), FIRST_MOMENT), LAST_MOMENT)
    except OverflowError:
        return FIRST_MOMENT if moment.year == 1 else LAST_MOMENT


def _as_documented(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and RFC_3339.fullmatch(value)):
        return value
    raise ValueError("should be a moment like 2026-01-31T12:00:00Z")  # pydantic would take seconds since 1970, too


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach), BeforeValidator(_as_documented)]
"""A moment that a client gives, with a UTC offset. At the ends of the calendar, which mean ever and never, offsets lead
beyond it.
"""


class Body(BaseModel):
    """What a client sends."""

    # JSON knows neither NaN nor infinity, though Python's parser takes them.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class View(BaseModel):
    """What a client gets: made of a record."""

    model_config = ConfigDict(from_attributes=True)
