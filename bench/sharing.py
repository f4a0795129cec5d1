"""A job on one worker and on two, each of one thread: ``python -m bench.sharing --checkpoint PATH --data PATH``.

The full profile of the paper's preset, whose search is short, and the steps of the deep one, on real workers over a
service of their own; what they deliver must be the same byte for byte. Exits with 1 where it is not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.catalog.states import UploadKind
from app.jobs.states import JobState
from bench.models import processor
from primesvt_client.schemas.jobs import JobView
from tests.support.fleet import Fleet, fleet
from tests.support.servers import own_redis

JOBS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"preset": "paper", "profile": "full", "budget": {"max_accuracy_drop": 0.03, "min_memory_saving": 0.05}},
    "deep": {"preset": "deep", "budget": {"max_accuracy_drop": 0.03}},
}
LONGEST = 1800.0
BETWEEN_LOOKS = 3.0
MODEL = "model.safetensors"


def main() -> int:
    """Run every job on one worker and on two, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--search-images", type=int, default=400)
    parser.add_argument("--confirmation-images", type=int, default=500)
    parser.add_argument("--jobs", nargs="*", choices=[*JOBS], default=[*JOBS])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    document: dict[str, Any] = {"processor": processor()}
    for name in asked.jobs:
        splits = {"search_images": asked.search_images, "confirmation_images": asked.confirmation_images}
        spec = {**JOBS[name], "splits": splits}
        alone, shared = (run(asked.checkpoint, asked.data, spec, workers) for workers in (1, 2))
        document[name] = {
            "profile_alone": alone["profile"],
            "profile_shared": shared["profile"],
            "share": shared["profile"] / alone["profile"],
            "helpers": shared["helpers"],
            "same_model": alone["model"] == shared["model"],
        }
        print(name, document[name], flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=2))
    return 0 if all(document[name]["same_model"] for name in asked.jobs) else 1


def run(checkpoint: Path, data: Path, spec: Mapping[str, Any], workers: int) -> dict[str, Any]:
    """Seconds of the profile, the digest of the model, and how often a worker began to help."""
    with tempfile.TemporaryDirectory() as name, own_redis(Path(name) / "redis") as redis:
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PRIMESVT_SHARE_SECONDS": "0"}
        with fleet(Path(name) / "fleet", PRIMESVT_BROKER_URL=redis.url, **one_thread) as team:
            team.api()
            team.reconciler()
            parts = [_machine(team, number) for number in range(workers)]
            model, images = (
                team.client.wait_upload(team.client.upload(path, kind).id).id
                for path, kind in ((checkpoint, UploadKind.CHECKPOINT), (data, UploadKind.DATASET))
            )
            job = _over(team, team.client.submit(model, images, dict(spec)))
            if job.state is not JobState.SUCCEEDED:
                raise SystemExit(f"the job ended as {job.state}: {job.problem}")
            team.client.download(job.id, team.folder / "results")
            report = json.loads((team.folder / "results" / "report.json").read_text())
            digests = {found.name: found.sha256 for found in team.client.artifacts(job.id)}
            helpers = sum(part.log.read_text().count("help_begun") for part in parts)
            return {"profile": report["timings"]["profile"], "model": digests[MODEL], "helpers": helpers}


def _over(team: Fleet, job: JobView) -> JobView:
    """The job once it has ended. It is asked for seldom: the answers take time from the two workers."""
    ends_at = time.monotonic() + LONGEST
    while not job.state.is_terminal:
        if time.monotonic() > ends_at:
            raise SystemExit(f"the job did not end within {LONGEST:g} s")
        time.sleep(BETWEEN_LOOKS)
        job = team.client.job(job.id)
    return job


def _machine(team: Fleet, number: int) -> Any:
    """A worker with a data folder of its own, over the same database and store."""
    return team.computing_worker(
        PRIMESVT_DATABASE_URL=str(team.settings.database),
        PRIMESVT_STORAGE_URL=team.settings.storage,
        PRIMESVT_DATA_DIR=str(team.folder / f"machine-{number}"),
    )


if __name__ == "__main__":
    sys.exit(main())
