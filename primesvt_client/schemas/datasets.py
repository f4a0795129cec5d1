"""What the REST API gives of data sets that the service has already."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from primesvt_client.facts import DataSetFacts
from primesvt_client.schemas.base import View


class DatasetView(View):
    """A data set that the operator offers: a job takes its id as ``dataset_id``, and nothing is uploaded."""

    id: str = Field(examples=["dat_01k2v8r4a6b8c0d2e4f6g8h0j2"])
    name: str
    file_name: str = Field(description="Of the file, as reports name it.")
    size_bytes: int
    sha256: str | None
    facts: DataSetFacts | None = Field(description="What validation found, as of an upload.")
    created_at: datetime
