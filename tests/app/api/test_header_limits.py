"""Requests with too many header fields are refused before anything reads one."""

from __future__ import annotations

import pytest

from app.api.header_limits import MOST_BYTES, MOST_FIELDS
from tests.support.api import Api, problem


@pytest.mark.parametrize(
    "fields",
    [{f"x-{number}": "1" for number in range(MOST_FIELDS)}, {"x-long": "1" * MOST_BYTES}],
    ids=["many", "long"],
)
def test_too_many_or_too_long_fields_are_refused(api: Api, fields: dict[str, str]) -> None:
    with problem(api("GET", "/api/v1/jobs", headers=fields), 431, "request_header_fields_too_large"):
        pass


def test_what_browsers_send_is_not(api: Api) -> None:
    fields = {f"x-{number}": "1" * 200 for number in range(60)}
    assert api("GET", "/api/v1/jobs", headers=fields).status_code == 200
