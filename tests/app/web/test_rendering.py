"""Escaping, headers and policies of every page."""

from __future__ import annotations

import re
from pathlib import Path

from app.catalog.states import UploadKind
from primesvt_client.facts import CheckpointFacts
from tests.support.browsing import get
from tests.support.dashboard import Dashboard, progress, sample_report

HOSTILE = '<img src=x onerror="alert(1)">&</script><script>alert(2)</script>'


def test_what_clients_wrote_is_escaped_everywhere(board: Dashboard) -> None:
    team = board.team()
    report = sample_report(class_name=HOSTILE, notes=(HOSTILE,))
    hostile = report.model_copy(
        update={
            "layers": tuple(x.model_copy(update={"name": HOSTILE}) for x in report.layers),
            "profile": tuple(x.model_copy(update={"group": HOSTILE}) for x in report.profile),
        }
    )
    done = board.succeeded(team, HOSTILE, hostile)
    failed = board.failed(team, HOSTILE, HOSTILE, HOSTILE)
    running, claim = board.running(team, HOSTILE, reports=0)
    cell = progress()[10]
    facts = cell.facts.model_copy(update={"group": HOSTILE})
    board.jobs.heartbeat(claim, [cell.model_copy(update={"note": HOSTILE, "facts": facts})])
    board.ready(team, UploadKind.CHECKPOINT, HOSTILE, CheckpointFacts(family=HOSTILE, title=HOSTILE, variant=HOSTILE))
    board.refused(team, HOSTILE, HOSTILE, HOSTILE)
    addresses = ["/", "/uploads", "/new", f"/new?like={done.id}", f"/?q={HOSTILE}"]
    addresses += [f"/jobs/{job.id}" for job in (done, failed, running)]
    for address in [*addresses, f"/jobs/{running.id}/live", f"/jobs/{HOSTILE[:20]}"]:
        text = get(board, team, address).text
        assert "<img" not in text, address
        assert "<script>" not in text, address


def test_pages_forbid_inline_scripts_frames_and_caches(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    for address in ("/", f"/jobs/{job.id}", "/new", "/uploads", "/sign-in", "/nothing"):
        answer = get(board, team, address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "//cdn" not in answer.text


TEMPLATES = Path(__file__).resolve().parents[3] / "app" / "web" / "templates"
SCROLLING = re.compile(r'<(?:pre\b|\w+ [^>]*class="(?:[^"]* )?scroll\b)[^>]*>')
"""What may be wider or higher than its place; `framed` lists do not scroll."""


def test_what_scrolls_can_be_scrolled_by_the_keyboard_and_has_a_name() -> None:
    found = [
        (path.name, tag) for path in TEMPLATES.rglob("*.html") for tag in SCROLLING.findall(path.read_text("utf-8"))
    ]
    assert len(found) > 15
    needed = ('tabindex="0"', 'role="region"', "aria-label=")
    mute = [one for one in found if " framed" not in one[1] and not all(word in one[1] for word in needed)]
    assert mute == []
