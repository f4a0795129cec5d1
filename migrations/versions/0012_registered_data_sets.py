"""Data sets that the operator registers: they are offered to teams, and nobody uploads them.

Each is an upload of the service's own team, whose bytes lie outside the store.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("location", sa.String(4000), nullable=False),
        sa.Column("version", sa.String(200), nullable=True),
        sa.Column("all_teams", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["uploads.id"], name="fk_datasets_id_uploads"),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    condition = sa.text("removed_at IS NULL")
    op.create_index(
        "uq_datasets_name", "datasets", ["name"], unique=True, sqlite_where=condition, postgresql_where=condition
    )
    op.create_table(
        "dataset_teams",
        sa.Column("dataset_id", sa.String(40), nullable=False),
        sa.Column("team_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_dataset_teams_dataset_id_datasets"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_dataset_teams_team_id_teams"),
        sa.PrimaryKeyConstraint("dataset_id", "team_id", name="pk_dataset_teams"),
    )
    op.add_column("workers", sa.Column("datasets", sa.JSON(), nullable=True))


def downgrade() -> None:
    # The earlier version knows no bytes outside the store: to it these are uploads that have expired.
    op.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at = created_at, owner = NULL, lease_expires_at = NULL"
        " WHERE (dataset_id IN (SELECT id FROM datasets) OR train_dataset_id IN (SELECT id FROM datasets))"
        " AND state NOT IN ('succeeded', 'cancelled', 'failed')"
    )
    op.execute(
        "UPDATE uploads SET state = 'expired', owner = NULL, lease_expires_at = NULL"
        " WHERE id IN (SELECT id FROM datasets)"
    )
    op.drop_column("workers", "datasets")
    op.drop_table("dataset_teams")
    op.drop_index("uq_datasets_name", "datasets")
    op.drop_table("datasets")
