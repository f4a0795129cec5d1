"""Usage and quotas."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from app.db import now
from app.jobs.models import UsageRow
from app.teams.quotas import Quotas
from app.usage.quotas import Usage
from app.web.team import usage
from primesvt_client.spec_types import LARGEST
from tests.support.browsing import attributes, get, text_of
from tests.support.dashboard import Dashboard


def test_bars_say_how_much_is_used_and_warn_in_time() -> None:
    used = Usage(storage_bytes=95 << 20, unfinished_jobs=3, gpu_minutes=30.0, since=now())
    storage, jobs, gpu = usage.bars(used, Quotas(storage_bytes=100 << 20, unfinished_jobs=3))
    assert (storage.text, storage.tone) == ("95.0 MiB of 100.0 MiB", "nearly")
    assert (jobs.text, jobs.tone) == ("3 of 3", "full")
    assert (gpu.text, gpu.tone) == ("30 min 00 s, no limit", "")


def test_usage_shows_quotas_and_the_last_days(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, team_unfinished_jobs=2)
    team = board.team()
    assert attributes(get(board, team, "/team/usage").text, "data-empty") == ["usage"]
    board.queued(team)
    with board.services.database.session() as session:
        for days, seconds in ((0, 60.0), (3, 3600.0), (40, 999_999.0)):
            day = now().date() - timedelta(days=days)
            session.add(UsageRow(team_id=team.id, day=day, run_seconds=seconds, gpu_seconds=seconds / 2))
    text = get(board, team, "/team/usage").text
    assert "1 of 2" in text_of(text, "data-quota", "unfinished_jobs")
    assert "1 h 01 min" in text
    assert "30 min 30 s" in text
    today = now().date()
    assert attributes(text, "data-day") == [str(today - timedelta(days=3)), str(today)]
    unused = usage.all_days([], today)
    assert (len(unused), {day.run_seconds for day in unused}) == (30, {0.0})
    board.close()


def test_usage_shows_the_largest_quotas(board: Dashboard) -> None:
    team = board.team()
    board.services.quotas.change(
        team.id, dict.fromkeys(("storage_bytes", "unfinished_jobs", "gpu_minutes", "upload_bytes"), LARGEST)
    )
    assert f"0 of {LARGEST:,}" in text_of(get(board, team, "/team/usage").text, "data-quota", "unfinished_jobs")
