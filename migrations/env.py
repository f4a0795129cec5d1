"""Alembic's environment: the connection comes from `app.db.Database.migrate`."""

from __future__ import annotations

from alembic import context

from app.catalog import models as _catalog  # noqa: F401  # tables register themselves
from app.db import Base
from app.jobs import cell_models as _steps  # noqa: F401
from app.jobs import models as _jobs  # noqa: F401
from app.teams import models as _teams  # noqa: F401
from app.webhooks import models as _webhooks  # noqa: F401
from app.workers import models as _workers  # noqa: F401

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
