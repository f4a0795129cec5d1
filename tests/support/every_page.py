"""Every page of the dashboard, in the states that look different; a test fails when one is missing here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.catalog.states import UploadKind
from app.teams.scopes import Role
from app.webhooks.states import EventType
from app.workers.records import WorkerState
from primesvt_core.types import Verdict
from tests.support import preflights
from tests.support.dashboard import Dashboard, Team, sample_report
from tests.support.finished_runs import finished_on, unlabelled_on
from tests.support.people import person

NO_PAGES = {
    "/jobs/{job_id}/live": "a part of a job's page",
    "/jobs/{job_id}/log": "a part of a job's page",
    "/jobs/{job_id}/report": "the report, a file of the job",
    "/sign-in/provider": "leads to the identity provider",
    "/sign-in/provider/callback": "leads back from it",
    "/team": "leads to the first page of a team",
}
"""What browsers ask for and is none of our pages, with the reason."""


LAYERS = tuple(
    {"name": f"block.{place}.mlp", "group": "mlp", "shape": [1536, 384], "parameter_bytes": 2_359_296}
    for place in range(30)
)
"""More than are seen at once."""


@dataclass(frozen=True)
class Shown:
    """A page in one state.

    Attributes:
        route: whose page it is.
        address: where it is.
        who: who looks at it; None if nobody is signed in.
    """

    route: str
    address: str
    who: Team | None


def every_page(board: Dashboard) -> Iterator[Shown]:
    """All pages of a service that is filled for that."""
    team = person(board, board.team("a team with everything"), Role.ADMIN)
    stranger = board.services.invitations.invite(team.id, "invited@example.org", Role.VIEWER)
    board.services.keys.create(team.id, "a key")
    yield Shown("/sign-in", "/sign-in", None)
    yield Shown("/join/{token}", f"/join/{stranger.token}", None)
    yield Shown("/account", "/account", team)
    yield Shown("/account/confirm", "/account/confirm?next=/team/keys", team)
    yield Shown("/account/teams", "/account/teams", team)
    yield from _uploads_and_forms(board, team)
    yield from _jobs(board, team)
    yield from _lists(board, team)
    yield from _teams_pages(board, team)
    yield Shown("/", "/", person(board, team, Role.VIEWER))
    yield Shown("/", "/nothing/here", team)  # an error is a page, too
    newcomer = person(board, board.team("a team with nothing"), Role.ADMIN, "newcomer@example.org")
    for address in ("/", "/new", "/results", "/uploads", "/compare", "/team/webhooks"):
        yield Shown(address, address, newcomer)


def _uploads_and_forms(board: Dashboard, team: Team) -> Iterator[Shown]:
    model = board.ready(team, UploadKind.CHECKPOINT, "m.pth", preflights.model(layers=LAYERS))
    data = board.ready(team, UploadKind.DATASET, "d.zip", preflights.data(classes=("a", "b")))
    board.refused(team, "broken.pth", "unreadable_checkpoint", "The file ends in the middle.")
    board.upload(team, UploadKind.CHECKPOINT, "waiting.pth")
    filled = f"checkpoint_id={model.id}&dataset_id={data.id}&max_accuracy_drop=3&seed=1"
    yield Shown("/new", f"/new?{filled}", team)
    yield Shown("/uploads", "/uploads", team)


def _jobs(board: Dashboard, team: Team) -> Iterator[Shown]:
    running, _ = board.running(team, "running")
    begun, _ = board.running(team, "just begun", reports=1)
    cancelled = board.services.jobs.cancel(team.id, board.queued(team, "cancelled").id)
    missed = sample_report(Verdict.NOT_PROVEN, notes=("A note.",))
    found = {
        "queued": board.queued(team, "queued").id,
        "running": running.id,
        "begun": begun.id,
        "cancelled": cancelled.id,
        "failed": board.failed(team, "failed", "out_of_memory", "The device is full; take a smaller batch.").id,
        "not proven": board.succeeded(team, "not proven", missed).id,
        "with other budgets": finished_on(board, team),
        "unlabelled": unlabelled_on(board, team),
    }
    for job in found.values():
        yield Shown("/jobs/{job_id}", f"/jobs/{job}", team)
    chosen = "&".join(f"job={found[name]}" for name in ("not proven", "with other budgets", "failed"))
    yield Shown("/compare", f"/compare?{chosen}", team)
    yield Shown("/compare", f"/compare?{chosen}&transposed=true&all=true", team)


def _lists(board: Dashboard, team: Team) -> Iterator[Shown]:
    board.registered([team.id])
    board.services.workers.report("w1", "gpu-1", ["cpu", "cuda"], "0.1", WorkerState.IDLE, None)
    yield Shown("/", "/", team)
    yield Shown("/", "/?q=nothing-like-it", team)
    yield Shown("/results", "/results", team)
    yield Shown("/results", "/results?scale=absolute&within=2", team)
    yield Shown("/uploads", "/uploads", team)
    yield Shown("/workers", "/workers", team)


def _teams_pages(board: Dashboard, team: Team) -> Iterator[Shown]:
    hook = board.services.webhooks.create(team.id, "https://example.org/hook", [*EventType], "a hook").webhook
    message = board.services.webhooks.ping(team.id, hook.id)
    for name in ("members", "keys", "webhooks", "usage", "audit", "settings"):
        yield Shown(f"/team/{name}", f"/team/{name}", team)
    yield Shown("/team/webhooks/{webhook_id}", f"/team/webhooks/{hook.id}", team)
    delivery = f"/team/webhooks/{hook.id}/deliveries/{message.id}"
    yield Shown("/team/webhooks/{webhook_id}/deliveries/{delivery_id}", delivery, team)
