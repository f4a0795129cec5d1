"""What is signed about a job's results: which files they are, and what they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.catalog.records import UploadContent
from app.jobs.records import Artifact, JobClaim
from primesvt_client.provenance import PREDICATE_TYPE, STATEMENT_TYPE
from primesvt_core import __version__

BUILD_TYPE = "urn:primesvt:compress:1"


def statement(claim: JobClaim, artifacts: Sequence[Artifact], key_id: str) -> dict[str, Any]:
    """An in-toto statement about artifacts: SLSA provenance of the job that made them."""
    inputs = {"checkpoint": claim.checkpoint, "dataset": claim.dataset, "train_dataset": claim.train_dataset}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in artifacts],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"spec": claim.spec, **_origin(claim)},
                "internalParameters": {"device": claim.device},
                "resolvedDependencies": [_input(name, one) for name, one in inputs.items() if one is not None],
            },
            "runDetails": {
                "builder": {"id": f"urn:primesvt:service:{key_id}", "version": {"primesvt": __version__}},
                "metadata": {"invocationId": claim.job_id},
            },
        },
    }


def _origin(claim: JobClaim) -> dict[str, Any]:
    """Where the rates come from that were not searched for."""
    if claim.parent is not None:
        return {"parent": claim.parent.job_id}
    return {} if claim.plan is None else {"plan": claim.plan}


def _input(name: str, content: UploadContent) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": content.sha256} if content.sha256 else {}}
