"""What the REST API takes and gives of uploads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from primesvt_client.facts import ProblemFacts, UploadFacts
from primesvt_client.schemas.base import A_NUMBER, SHA256, Body, View
from primesvt_client.spec_types import LARGEST
from primesvt_client.states import UploadKind, UploadState


@dataclass(frozen=True)
class Parts:
    """How a blob of ``size`` bytes is cut: equal parts, numbered from 1, the last one smaller."""

    size: int
    part_bytes: int

    @property
    def count(self) -> int:
        """How many; an empty blob has one, empty."""
        return max(1, math.ceil(self.size / self.part_bytes))

    def offset(self, number: int) -> int:
        """Where a part begins."""
        return (number - 1) * self.part_bytes

    def size_of(self, number: int) -> int:
        """Bytes of a part."""
        return min(self.part_bytes, self.size - self.offset(number))


class NewUpload(Body):
    """An upload that is about to be sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "checkpoint", "name": "spikformer.pth.tar", "size_bytes": 37_421_013}]}
    )

    kind: UploadKind
    name: str = Field(min_length=1, max_length=1000, description="File name, for people; never used as a path.")
    size_bytes: Annotated[int, Field(ge=0, le=LARGEST), A_NUMBER]
    sha256: str | None = Field(
        default=None, pattern=SHA256, description="Of the whole; what the team has already need not be sent."
    )


class UploadView(View):
    """An upload."""

    id: str
    kind: UploadKind
    name: str
    state: UploadState
    size_bytes: int
    sha256: str | None
    part_bytes: int = Field(description="Size of every part but the last.")
    parts: int
    received_parts: tuple[int, ...]
    facts: UploadFacts | None = Field(description="What validation found.")
    problem: ProblemFacts | None = Field(description="Why it was rejected.")
    created_at: datetime
    updated_at: datetime


class NewDigest(Body):
    """What the client has found out while it sent."""

    sha256: str = Field(pattern=SHA256, description="Of the whole.")


class PartNumbers(Body):
    """Parts that a client would send to storage itself."""

    numbers: list[Annotated[int, A_NUMBER]] = Field(min_length=1, max_length=100, examples=[[1, 2, 3]])


class PartAddressView(View):
    """Where one part may be sent by ``PUT``, with no other headers than its length."""

    number: int
    url: str = Field(description="Good for this part alone. Whoever has it may send the part.")
    expires_at: datetime


class PartAddresses(BaseModel):
    """Where parts may be sent; empty where they go through this server."""

    items: list[PartAddressView]


class UploadPage(BaseModel):
    """Some uploads, newest first."""

    items: list[UploadView]
    next_cursor: str | None
