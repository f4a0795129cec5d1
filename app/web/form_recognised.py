"""What the chosen uploads of a new job were recognised as: the model with its layers, the data with their classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.api.deps import validate_id
from app.catalog.records import Upload
from app.catalog.states import UploadState
from app.errors import NotFound
from app.services import Services
from primesvt_client.facts import CheckpointFacts, Document

UNSETTLED = frozenset({UploadState.CREATED, UploadState.UPLOADING, UploadState.STORED, UploadState.VALIDATING})
ROLES: Mapping[str, str] = {
    "checkpoint_id": "Recognised model",
    "dataset_id": "Evaluation data",
    "train_dataset_id": "Training data",
}


@dataclass(frozen=True, kw_only=True)
class RecognisedLayer:
    """One layer of a checkpoint."""

    name: str
    group: str | None
    shape: str
    parameter_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """One chosen upload.

    Attributes:
        name: of the input that it is chosen in.
        label: what it is to the job.
        layers: of a checkpoint, largest first.
    """

    name: str
    label: str
    upload: Upload
    layers: tuple[RecognisedLayer, ...] = ()

    @property
    def is_waiting(self) -> bool:
        """Whether more will be known once it is validated."""
        return self.upload.state in UNSETTLED


def recognised(services: Services, team: str, values: Mapping[str, str]) -> tuple[Recognised, ...]:
    """The uploads that a form has chosen, those of the team that there are."""
    return tuple(_chosen(services, team, values))


def _chosen(services: Services, team: str, values: Mapping[str, str]) -> Iterator[Recognised]:
    for name, label in ROLES.items():
        if not values.get(name):
            continue
        try:
            upload = services.catalog.get(team, validate_id(values[name]))
        except NotFound:  # which the preflight says
            continue
        facts = upload.facts
        layers = tuple(_layers(facts.layers or ())) if isinstance(facts, CheckpointFacts) else ()
        yield Recognised(name=name, label=label, upload=upload, layers=layers)


def _layers(documents: tuple[Document, ...]) -> Iterator[RecognisedLayer]:
    """Layers as this version or another has written them; what it does not know stays empty."""
    for layer in documents:
        shape, size = layer.get("shape"), layer.get("parameter_bytes")
        yield RecognisedLayer(
            name=str(layer.get("name", "")), group=_text(layer.get("group")),
            shape="\N{MULTIPLICATION SIGN}".join(map(str, shape)) if isinstance(shape, list) else "",
            parameter_bytes=size if isinstance(size, int) else None,
        )  # fmt: skip


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
