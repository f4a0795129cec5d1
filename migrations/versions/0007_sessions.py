"""Sessions say where they were opened, and when their owner last proved who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
COLUMNS = (("proven_at", TIME), ("ip", sa.String(60)), ("agent", sa.String(200)))


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("sessions", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sessions") as table:
        for name, _ in COLUMNS:
            table.drop_column(name)
