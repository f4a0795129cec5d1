"""Real services over SQLite, with jobs in every state and a report as the library writes it, for tests of the pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import JsonValue

from app.api.cookies import SESSION_COOKIE
from app.catalog.queue import UploadQueue
from app.catalog.records import Upload
from app.catalog.states import UploadKind
from app.factory import create_app
from app.jobs.queue import JobQueue
from app.jobs.records import Job, JobClaim, NewJob, StoredArtifact
from app.services import Services, assemble
from app.settings import Settings
from app.storage.outside import look
from app.teams.sessions import form_token
from primesvt_client.facts import (
    CandidateFacts,
    CellFacts,
    CheckpointFacts,
    DataSetFacts,
    ProblemFacts,
    StepFacts,
    UploadFacts,
)
from primesvt_client.progress import Progress
from primesvt_core import spec as specs
from primesvt_core.report.schema import (
    AssumptionFigures,
    ClassFigures,
    Confirmation,
    CurveFigures,
    DataFigures,
    EnergyFigures,
    GroupFigures,
    InferenceMemory,
    LayerFigures,
    ModelFigures,
    ProfileFigures,
    Report,
    TimeStepFigures,
)
from primesvt_core.types import Step, Verdict
from tests.support.databases import lay_schema

BUDGET: dict[str, JsonValue] = {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}
BLOCKS = 4
DIM, HIDDEN = 384, 1536
FLOAT_BYTES = 4
BASELINE = 0.9312
RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class SilentNotifier:
    """Nobody listens: tests move the jobs themselves."""

    def notify_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        pass

    def notify_upload(self, upload_id: str, forwarded_by: Sequence[str] = ()) -> None:
        pass

    def waiting(self) -> int:
        return 0


@dataclass(frozen=True)
class Team:
    """A team, its key, and the cookie of somebody who has signed in."""

    id: str
    secret: str
    session: str

    @property
    def cookies(self) -> dict[str, str]:
        return {SESSION_COOKIE: self.session}


class Dashboard:
    """The services of one test, and short ways to what a page shows."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        # No limits of requests, but where a test is about them: tests ask quickly.
        unlimited = {"requests_per_minute": 0, "anonymous_requests_per_minute": 0, "sign_in_attempts": 0}
        usual = {"broker_url": "memory://", "allowed_hosts": "server", **unlimited}
        self.settings = Settings(data_dir=folder, **{**usual, **settings})
        lay_schema(self.settings.database)
        self.services: Services = assemble(self.settings, SilentNotifier())
        self.services.database.migrate()
        self.jobs = JobQueue(self.services.database, self.settings)
        self.uploads = UploadQueue(self.services.database, self.settings)

    @cached_property
    def app(self) -> FastAPI:
        return create_app(self.settings, self.services)

    def close(self) -> None:
        self.services.database.engine.dispose()

    def team(self, name: str = "default") -> Team:
        key = self.services.teams.create_team(name)
        principal = self.services.keys.authenticate(key.secret)
        return Team(key.team_id, key.secret, self.services.sessions.open(principal))

    def form_token(self, team: Team) -> str:
        return form_token(team.session)

    def upload(self, team: Team, kind: UploadKind, name: str, content: bytes = b"content") -> Upload:
        upload = self.services.catalog.create(team.id, kind, name, len(content), None)
        self.services.catalog.put_part(team.id, upload.id, 1, [content], None)
        return self.services.catalog.complete(team.id, upload.id)

    def assembled(self, upload_id: str) -> bytes:
        """The content of a stored upload, made whole as a worker does."""
        claim = self.uploads.claim(upload_id, "worker")
        assert claim is not None
        assert claim.multipart is not None
        self.services.store.complete_multipart(claim.multipart, claim.parts)
        self.uploads.assembled(claim)
        return b"".join(self.services.store.open(claim.content.blob_key))

    def ready(self, team: Team, kind: UploadKind, name: str, facts: UploadFacts | None = None) -> Upload:
        upload = self.upload(team, kind, name)
        claim = self.uploads.claim(upload.id, "worker")
        assert claim is not None
        self.uploads.accept(claim, facts or FACTS[kind])
        return self.services.catalog.get(team.id, upload.id)

    def registered(self, teams: list[str] | None, name: str = "ImageNet <val>") -> str:
        """Id of a registered data set that is ready, and offered to these teams; of a file outside the service."""
        folder = self.settings.data_dir.with_name(f"{self.settings.data_dir.name}-beside")
        folder.mkdir(exist_ok=True)
        path = folder / "imagenet-val.tar"
        path.write_bytes(b"images")
        found = self.services.datasets.add(name, str(path), teams)
        claim = self.uploads.claim(found.id, "worker")
        assert claim is not None
        self.uploads.verified(claim, "a" * 64)
        self.uploads.seen(claim, 6, look(str(path), self.settings).version)
        self.uploads.accept(claim, FACTS[UploadKind.DATASET])
        return found.id

    def refused(self, team: Team, name: str, code: str, detail: str) -> Upload:
        upload = self.upload(team, UploadKind.CHECKPOINT, name)
        claim = self.uploads.claim(upload.id, "worker")
        assert claim is not None
        self.uploads.refuse(claim, ProblemFacts(code=code, detail=detail))
        return self.services.catalog.get(team.id, upload.id)

    def queued(self, team: Team, name: str = "", spec: dict[str, Any] | None = None) -> Job:
        checkpoint = self.ready(team, UploadKind.CHECKPOINT, "spikformer-cifar10.pth")
        data = self.ready(team, UploadKind.DATASET, "cifar10-test.tar.xz")
        asked = NewJob(
            checkpoint_id=checkpoint.id, dataset_id=data.id, spec=spec or {"budget": BUDGET}, name=name
        )  # fmt: skip
        return self.services.jobs.submit(team.id, asked)

    def running(
        self, team: Team, name: str = "", reports: int = 20, spec: dict[str, Any] | None = None
    ) -> tuple[Job, JobClaim]:
        job = self.queued(team, name, spec)
        claim = self.jobs.claim(job.id, "worker")
        assert claim is not None
        self.jobs.heartbeat(claim, progress()[:reports])
        return self.services.jobs.get(team.id, job.id), claim

    def succeeded(
        self,
        team: Team,
        name: str = "",
        report: Report | None = None,
        more: Mapping[str, bytes] | None = None,
        spec: dict[str, Any] | None = None,
    ) -> Job:
        job, claim = self.running(team, name, reports=0, spec=spec)
        return self._succeed(team, job, claim, report or sample_report(), more or {})

    def finish(self, team: Team, job: Job, report: Report) -> Job:
        """A worker takes a queued job and ends it with that report."""
        claim = self.jobs.claim(job.id, "worker")
        assert claim is not None
        return self._succeed(team, job, claim, report, {})

    def _succeed(self, team: Team, job: Job, claim: JobClaim, report: Report, more: Mapping[str, bytes]) -> Job:
        contents = {
            "report.json": report.model_dump_json(indent=2).encode(),
            "model.safetensors": bytes(200_000),
            "layers.csv": b"name\n",
            "figures/robustness.png": bytes(30_000),
            **more,
        }
        self.jobs.finalize(claim)
        stored = [self._artifact(job, name, content) for name, content in contents.items()]
        self.jobs.succeed(claim, stored, report.verdict.value, report.summary())
        return self.services.jobs.get(team.id, job.id)

    def failed(self, team: Team, name: str, code: str, detail: str) -> Job:
        job, claim = self.running(team, name, reports=4)
        self.jobs.fail(claim, ProblemFacts(code=code, detail=detail))
        return self.services.jobs.get(team.id, job.id)

    def _artifact(self, job: Job, name: str, content: bytes) -> StoredArtifact:
        key = f"artifacts/{job.id}/{name.replace('/', '_')}"
        blob = self.services.store.put(key, [content])
        media = "application/json" if name.endswith(".json") else "application/octet-stream"
        return StoredArtifact(name=name, media_type=media, size_bytes=blob.size, sha256=blob.sha256, blob_key=key)


FACTS: Mapping[UploadKind, UploadFacts] = {
    UploadKind.CHECKPOINT: CheckpointFacts(
        family="spikformer", title="Spikformer", variant="cifar", parameters=9_320_000, parameter_bytes=37_300_000
    ),
    UploadKind.DATASET: DataSetFacts(samples=10_000, classes=("airplane", "automobile", "bird")),
}


def progress() -> list[Progress]:
    """What a worker reports until the search is under way."""
    reports: list[Progress] = []
    for step in (Step.INTAKE, Step.BASELINE, Step.SORT):
        reports += [Progress(step=step), Progress(step=step, done=1, total=1, facts=StepFacts(seconds=0.5))]
    cells = profile()
    for number, cell in enumerate(cells, start=1):
        measured = CellFacts(
            group=cell.group, rate=cell.rate, accuracy=BASELINE - cell.loss, accuracy_drop=cell.loss
        )  # fmt: skip
        reports.append(Progress(step=Step.PROFILE, done=number, total=len(cells) + 1, facts=measured))
    for point in curve()[1:]:
        assert point.group is not None
        tried = CandidateFacts(
            group=point.group,
            rate=point.rates[point.group],
            accuracy=BASELINE - point.loss,
            memory_saving=point.memory_saving,
        )
        reports.append(Progress(step=Step.SEARCH, done=len(reports), facts=tried))
    return reports


def layers() -> list[LayerFigures]:
    """Layers of a Spikformer of four blocks, those of the MLPs pruned by a third."""
    rows = []
    for block in range(BLOCKS):
        for name, rows_, columns, rate in (
            ("mlp.fc1", HIDDEN, DIM, 0.3),
            ("mlp.fc2", DIM, HIDDEN, 0.0),
            ("attn.q", DIM, DIM, 0.2),
            ("attn.v", DIM, DIM, 0.0),
        ):
            kept = round(rows_ * (1 - rate))
            width = round(columns * 0.7) if name == "mlp.fc2" else columns
            rows.append(_layer(f"block.{block}.{name}", (rows_, columns), (kept, width), rate))
    rows.append(_layer("head", (10, DIM), (10, DIM), 0.0, group=None))
    return sorted(rows, key=lambda layer: -layer.parameter_bytes_before)


def _layer(
    name: str, before: tuple[int, int], after: tuple[int, int], rate: float, group: str | None = ""
) -> LayerFigures:
    return LayerFigures(
        name=name,
        group=name if group == "" else group,
        shape_before=before,
        shape_after=after,
        parameters_before=math.prod(before),
        parameters_after=math.prod(after),
        parameter_bytes_before=FLOAT_BYTES * math.prod(before),
        parameter_bytes_after=FLOAT_BYTES * math.prod(after),
        rate=rate,
    )


def _groups() -> list[tuple[str, float]]:
    """Groups, largest first, and how fragile they are."""
    names = [f"block.{block}.mlp.fc1" for block in range(BLOCKS)] + [
        f"block.{block}.attn.qk" for block in range(BLOCKS)
    ]
    return [(name, 0.04 + 0.05 * number) for number, name in enumerate([*names, "embedding"])]


def profile() -> list[ProfileFigures]:
    """Robustness curves that bend where one expects it."""
    cells = []
    for group, fragile in _groups():
        for rate in RATES:
            drop = round(fragile * rate**2.2, 4)
            cells.append(
                ProfileFigures(
                    group=group, rate=rate, kept=round(HIDDEN * (1 - rate)), accuracy=BASELINE - drop,
                    accuracy_drop=drop, memory_saving=0.08 * rate,
                )
            )  # fmt: skip
    return cells


def curve() -> list[CurveFigures]:
    """Accepted steps, the last two put to the test."""
    rates: dict[str, float] = {}
    points = [
        CurveFigures(
            group=None, rates={}, accuracy=BASELINE, accuracy_drop=0.0, parameter_bytes=37_300_000, memory_saving=0.0
        )
    ]
    for number, (group, _) in enumerate(_groups()[:6], start=1):
        rates = {**rates, group: 0.3}
        drop, saving = round(0.0011 * number**1.8, 4), 0.047 * number
        tested = {5: (drop - 0.001, True), 6: (drop + 0.009, False)}.get(number, (None, None))
        points.append(
            CurveFigures(
                group=group, rates=rates, accuracy=BASELINE - drop, accuracy_drop=drop, memory_saving=saving,
                parameter_bytes=round(37_300_000 * (1 - saving)), confirmed_drop=tested[0], confirmed=tested[1],
            )
        )  # fmt: skip
    return points


def _figures(accuracy: float, parameter_bytes: int, operations: float) -> ModelFigures:
    return ModelFigures(
        accuracy=accuracy,
        correct=round(4000 * accuracy),
        samples=4000,
        parameters=parameter_bytes // FLOAT_BYTES,
        parameter_bytes=parameter_bytes,
        macs=100 * parameter_bytes,
        inference_memory_bytes=InferenceMemory(
            layerwise=parameter_bytes + 2_500_000, stepwise=parameter_bytes + 1_900_000
        ),
        synaptic_operations=operations,
        multiply_accumulates=1e6,
        attention_operations=0.0,
        energy_joules=4.6e-12 * 1e6 + 0.9e-12 * operations,
        file_bytes=parameter_bytes + 9_000,
        peak_activation_bytes=2_400_000,
        spikes_per_image=41_000.0,
        firing_rates={"block.0.attn.q": 0.11},
    )


def class_figures(first: str) -> tuple[ClassFigures, ...]:
    """Ten classes of four hundred images, of which the first loses most and the last two lose none."""
    names = (first, *(f"class {number}" for number in range(1, 10)))
    return tuple(
        ClassFigures(name=name, images=400, right_before=380, right_after=380 - max(0, 32 - 4 * number))
        for number, name in enumerate(names)
    )


def sample_report(verdict: Verdict = Verdict.MET, class_name: str = "airplane", notes: tuple[str, ...] = ()) -> Report:
    """A report as a run on CIFAR-10 might write it."""
    return Report(
        primesvt_version="0.1.0",
        verdict=verdict,
        preset="paper",
        family="spikformer",
        variant="cifar",
        baseline=_figures(BASELINE, 37_300_000, 6e7),
        pruned=_figures(BASELINE - 0.0189, 27_350_000, 4.5e7),
        accuracy_drop=0.0189,
        memory_saving=0.2668,
        confirmation=Confirmation(
            samples=4000, lost=118, won=42, accuracy_drop=0.0189, drop_upper_bound=0.0246, confidence=0.95,
            candidates=2, allowed_drop=0.03, held=True,
        ),
        search_accuracy_drop=0.0199,
        spec=specs.parse({"budget": BUDGET, "preset": "paper"}),
        assumptions=(AssumptionFigures(field="time_steps", value=4, source="default"),),
        data=DataFigures(
            name="cifar10-test", fingerprint="f" * 64, samples=10_000, classes=(class_name, "automobile"),
            calibration_images=256, search_images=1000, confirmation_images=4000, preprocessing={},
        ),
        layers=tuple(layers()),
        groups=tuple(
            GroupFigures(
                name=name, scope="local", size_before=HIDDEN, size_after=HIDDEN, rate=0.0, parameter_bytes=1000,
                targeted=True,
            )
            for name, _ in _groups()
        ),
        profile=tuple(profile()),
        curve=tuple(curve()),
        notes=notes,
        evaluations=91,
        energy=EnergyFigures(joules_per_mac=4.6e-12, joules_per_ac=0.9e-12, source="45 nm", images=64),
        config={},
        plan={},
        classes=class_figures(class_name),
        time_steps=tuple(
            TimeStepFigures(
                time_steps=steps, accuracy_before=BASELINE - 0.1 * (4 - steps),
                accuracy_after=BASELINE - 0.0189 - 0.11 * (4 - steps),
            )
            for steps in range(1, 5)
        ),
        checkpoint_sha256="a" * 64,
        model_sha256="b" * 64,
        environment={"python": "3.11"},
        timings={"latency_before": 0.02, "latency_after": 0.015},
    )  # fmt: skip
