"""Table of workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcTime


class WorkerRow(Base):
    """One worker process, as it last reported."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    host: Mapped[str] = mapped_column(String(200))
    devices: Mapped[list[str]] = mapped_column(JSON)
    version: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20))
    job_id: Mapped[str | None] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    seen_at: Mapped[datetime] = mapped_column(UtcTime)
    missing_promises: Mapped[list[str] | None] = mapped_column(JSON)
    datasets: Mapped[dict[str, str] | None] = mapped_column(JSON)
    """Of the registered data sets, by id, why the worker cannot read them; empty where it can."""
