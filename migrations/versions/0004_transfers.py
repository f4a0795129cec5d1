"""Contents, which uploads of a team may share and which clients may send to object storage themselves.

Uploads that are being sent while the schema moves, in either direction, expire: their parts lie where the other version
does not look.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("blob_key", sa.String(length=300), nullable=False),
        sa.Column("draft", sa.String(length=1024), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_contents_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contents")),
    )
    op.create_index("ix_contents_team_id_sha256", "contents", ["team_id", "sha256"])
    # Both databases understand this; Alembic would make SQLite's table anew, which jobs refer to.
    op.execute(
        "ALTER TABLE uploads ADD COLUMN content_id VARCHAR(40) "
        "CONSTRAINT fk_uploads_content_id_contents REFERENCES contents (id)"
    )
    op.create_index(op.f("ix_uploads_content_id"), "uploads", ["content_id"])
    # An upload that was stored had its digest verified when its parts were joined.
    op.execute(
        "INSERT INTO contents (id, team_id, blob_key, size_bytes, sha256, created_at) "
        "SELECT id, team_id, 'uploads/' || id, size_bytes, lower(sha256), created_at FROM uploads "
        "WHERE state IN ('stored', 'validating', 'ready', 'rejected')"
    )
    op.execute("UPDATE uploads SET content_id = id WHERE id IN (SELECT id FROM contents)")
    op.execute("UPDATE uploads SET state = 'expired' WHERE content_id IS NULL")
    op.drop_table("upload_parts")


def downgrade() -> None:
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_upload_parts_upload_id_uploads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_upload_parts")),
    )
    # The earlier version looks for every upload's bytes under its own id: it does not find drafts and shared ones.
    op.execute(
        "UPDATE uploads SET state = 'expired' WHERE NOT EXISTS (SELECT 1 FROM contents WHERE contents.draft IS NULL "
        "AND contents.id = uploads.content_id AND contents.blob_key = 'uploads/' || uploads.id)"
    )
    op.drop_index(op.f("ix_uploads_content_id"), "uploads")
    op.execute("ALTER TABLE uploads DROP COLUMN content_id")
    op.drop_index("ix_contents_team_id_sha256", "contents")
    op.drop_table("contents")
