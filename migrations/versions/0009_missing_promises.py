"""Which promises of the sandbox a worker's machine cannot hold; null from workers that do not say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("missing_promises", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "missing_promises")
