"""Brings the database's schema up to date and says to which version: ``python -m migrations``.

Every process of the service does the same when it starts. This is for where one should before all others: a job of
Kubernetes, a step of a deployment.
"""

from __future__ import annotations

import os
import sys

from alembic.util import CommandError

from app import logs
from app.db import connect
from app.hardening import hide_memory
from app.settings import Settings, private_umask


def main() -> None:
    """Migrate once; a database that does not answer yet is waited for."""
    hide_memory()
    settings = Settings.from_env(os.environ)
    private_umask()
    logs.configure(settings.log_level, as_json=settings.log_json)
    database = connect(settings.database)
    try:
        database.migrate_patiently()
    except CommandError as error:
        sys.exit(
            f"the schema of the database is not one that this version knows ({error}); use the newer PrimeSVT that made"
            " it, or restore the back-up of before the upgrade"
        )
    sys.stdout.write(f"the schema has version {database.revision()}\n")


if __name__ == "__main__":
    main()
