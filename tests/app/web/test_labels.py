"""Labels and formats of pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from app.catalog.states import UploadState
from app.jobs.states import JobState
from app.teams.scopes import Role, Scope
from app.web import labels
from app.web.labels import ACTIONS, EVENTS, ROLES, SCOPES
from app.webhooks.states import EventType
from primesvt_client.verdicts import VERDICTS
from primesvt_core.types import Step, Verdict

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 24, 9, 24, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.2668, "26.68 points"), (-0.0123, "\u22121.23 points"), (-0.000001, "0.00 points"), (None, labels.NOTHING)],
)
def test_points(fraction: float | None, text: str) -> None:
    assert labels.points(fraction) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.50 KiB"), (37_300_000, "35.6 MiB"), (5 << 40, "5,120.0 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert labels.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (95, "1 min 35 s"), (7265, "2 h 01 min"), (None, labels.NOTHING)],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert labels.duration(seconds) == text


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=5)))
    assert labels.utc(local) == "2026-11-24 09:24 UTC"
    assert labels.utc_exact(local) == "2026-11-24 09:24:47 UTC"
    assert labels.iso(local) == "2026-11-24T09:24:47+00:00"


def test_run_time_leaves_out_the_queue() -> None:
    assert labels.run_seconds(None, None, NOW) is None
    assert labels.run_seconds(NOW - timedelta(seconds=9), None, NOW) == 9
    assert labels.run_seconds(NOW - timedelta(seconds=9), NOW - timedelta(seconds=4), NOW) == 5


def test_every_state_step_and_verdict_has_a_label() -> None:
    assert {*JobState, *UploadState} <= labels.STATES.keys()
    assert set(Step) <= labels.STEPS.keys()
    assert set(Verdict) <= VERDICTS.keys()


def test_every_action_role_scope_and_event_has_a_label() -> None:
    written = {
        action
        for folder in ("app", "worker")
        for path in (ROOT / folder).rglob("*.py")
        for action in re.findall(r'audit\.record\([^"]*?"([a-z_.]+)"', path.read_text())
    }
    assert len(written) > 25
    assert written - ACTIONS.keys() == set()
    assert ACTIONS.keys() - written == set()
    assert set(Role) == ROLES.keys()
    assert set(Scope) == SCOPES.keys()
    assert set(EventType) <= EVENTS.keys()
