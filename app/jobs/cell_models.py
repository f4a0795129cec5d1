"""Tables of what a job's attempts and helpers hand on to each other; empty once the job is over, but for repairs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcTime


class CellRow(Base):
    """One cell of a job: to be computed while ``value`` is empty, by ``owner`` where there is one.

    ``scope`` names version and device: only what was computed alike is put together.
    """

    __tablename__ = "job_steps"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(String(60), primary_key=True)
    key: Mapped[str] = mapped_column(String(400), primary_key=True)
    number: Mapped[int | None] = mapped_column()
    rates: Mapped[dict[str, float] | None] = mapped_column(JSON(none_as_null=True))
    value: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    owner: Mapped[str | None] = mapped_column(String(200), index=True)
    epoch: Mapped[int] = mapped_column(default=0)
    renewed_at: Mapped[datetime | None] = mapped_column(UtcTime)


class FileRow(Base):
    """One large file of a job in the blob store; ``sha256`` is empty until all of it is there, and so is its size."""

    __tablename__ = "job_files"

    blob_key: Mapped[str] = mapped_column(String(300), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
