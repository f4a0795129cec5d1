"""Names of cells may be longer: those of scores hold names that plug-ins of others chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("job_steps") as table:
        table.alter_column("key", existing_type=sa.String(100), type_=sa.String(400), existing_nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("job_steps") as table:
        table.alter_column("key", existing_type=sa.String(400), type_=sa.String(100), existing_nullable=False)
