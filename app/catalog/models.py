"""Tables of uploads, and of the data sets among them that the operator has registered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcTime, partial


class ContentRow(Base):
    """Bytes that one upload brought, or several of the same team share; a multipart upload while they arrive."""

    __tablename__ = "contents"
    __table_args__ = (Index("ix_contents_team_id_sha256", "team_id", "sha256"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))
    blob_key: Mapped[str] = mapped_column(String(300))
    multipart_token: Mapped[str | None] = mapped_column("draft", String(1024))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    """As found by this server; None until it has read the whole."""

    created_at: Mapped[datetime] = mapped_column(UtcTime)


class UploadRow(Base):
    """One upload."""

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_team_id_served_seq", "team_id", "served_seq"),
        Index("ix_uploads_waiting", "team_id", "id", **partial("state = 'stored'")),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    part_bytes: Mapped[int] = mapped_column(BigInteger)
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    owner: Mapped[str | None] = mapped_column(String(200))
    epoch: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    served_seq: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """Number of the claim, counted over all uploads."""

    content_id: Mapped[str | None] = mapped_column(ForeignKey("contents.id"), index=True)
    """None once the upload has expired."""

    content: Mapped[ContentRow | None] = relationship(lazy="select")
    registered: Mapped[DatasetRow | None] = relationship(lazy="select")
    """Of a data set that the operator has registered, which has no content of the store."""


class DatasetRow(Base):
    """A registered data set: the upload of the same id is the service's own, and its bytes lie outside the store."""

    __tablename__ = "datasets"
    __table_args__ = (Index("uq_datasets_name", "name", unique=True, **partial("removed_at IS NULL")),)

    id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    location: Mapped[str] = mapped_column(String(4000))
    """An absolute path without links, or ``s3://bucket/key``. Told to no client."""

    version: Mapped[str | None] = mapped_column(String(200))
    """What a file system or an object store changes when it writes the file anew; None until it was validated."""

    all_teams: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcTime)


class DatasetTeamRow(Base):
    """A team that a registered data set is offered to."""

    __tablename__ = "dataset_teams"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), primary_key=True)
