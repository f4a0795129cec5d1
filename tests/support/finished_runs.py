"""Finished jobs of whose curves another point can be taken, without anything computed."""

from __future__ import annotations

from typing import Any

from app.jobs.records import JobClaim, StoredArtifact
from primesvt_core import __version__
from primesvt_core.report.schema import Report
from primesvt_core.workspace import reuse
from tests.support.dashboard import Dashboard, Team, sample_report
from tests.support.disagreements import disagreement_report
from tests.support.shop import Shop

UNLABELLED: dict[str, Any] = {"budget": {"max_disagreement": 0.03}}
"""Spec of a job whose budgets limit the disagreement."""


def by_divergence(report: Report | None = None, **fields: Any) -> Report:
    """A report, the sample one if none is given, as a policy that goes by divergence would have written it, of this
    version."""
    report = report or sample_report()
    points = tuple(point.model_copy(update={"divergence": 0.01 * place}) for place, point in enumerate(report.curve))
    return report.model_copy(update={"primesvt_version": __version__, "curve": points, **fields})


def files_of(report: Report) -> dict[str, bytes]:
    """What another budget needs of a job's artifacts."""
    return {"report.json": report.model_dump_json().encode(), reuse.FILE: b"cells"}


def finish(shop: Shop, claim: JobClaim, report: Report | None = None) -> str:
    """End a job of a shop with the artifacts of a report; returns its id."""
    report, stored = report or by_divergence(), []
    shop.queue.finalize(claim)
    for name, content in files_of(report).items():
        key = f"artifacts/{claim.job_id}/{name}"
        blob = shop.store.put(key, [content])
        stored.append(
            StoredArtifact(
                name=name, media_type="application/json", size_bytes=blob.size, sha256=blob.sha256, blob_key=key
            )
        )
    shop.queue.succeed(claim, stored, report.verdict.value, report.summary())
    return claim.job_id


def finished_on(board: Dashboard, team: Team, name: str = "first", **fields: Any) -> str:
    """A finished job of a dashboard; returns its id."""
    return board.succeeded(team, name, by_divergence(**fields), more={reuse.FILE: b"cells"}).id


def unlabelled_on(board: Dashboard, team: Team) -> str:
    """One that promised a disagreement on images without labels; returns its id."""
    report = by_divergence(disagreement_report())
    return board.succeeded(team, "unlabelled", report, more={reuse.FILE: b"cells"}, spec=UNLABELLED).id
