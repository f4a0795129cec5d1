"""What one job leaves behind: rows and bytes of every table on PostgreSQL, objects and bytes in storage.

    python -m bench.sizes [--jobs 300]

The example is compressed by the real service, once; the rows that are there afterwards are written to a PostgreSQL
database of its own (PRIMESVT_TEST_POSTGRES says where) as many times as wanted, under other ids, and its tables are
measured with their indexes. Then it says what that makes for 10, 1,000 and 100,000 jobs a day.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Table, insert, select, text

from app.db import Base, Database, connect
from app.factory import create_app  # noqa: F401  # tables register themselves
from app.ids import new_id
from app.webhooks.states import EventType
from tests.support.databases import fresh
from tests.support.embedded import EXAMPLES, Service, service

BUDGET: dict[str, JsonValue] = {"budget": {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}}
ONCE = {"teams", "api_keys", "webhooks", "users", "members", "workers", "team_usage", "alembic_version"}
"""Tables whose rows are not the jobs'."""

UNIQUE = {"contents": ("blob_key", "sha256"), "idempotency_keys": ("key",)}
PER_DAY = (10, 1_000, 100_000)
COPIED_AT_ONCE = 50
USUAL = {"PRIMESVT_LEASE_SECONDS": "30", "PRIMESVT_HEARTBEAT_SECONDS": "2", "PRIMESVT_RECONCILE_SECONDS": "5"}

Rows = dict[str, list[dict[str, Any]]]


def lived(folder: Path) -> tuple[Rows, dict[str, Any]]:
    """The rows of a service that has done one job, and what it was."""
    with service(folder / "data", **USUAL) as here:
        here.client.webhooks.create("https://hooks.invalid/", [EventType.JOB_SUCCEEDED])
        job = here.client.wait(compressed(here).id)
        told = {"state": job.state.value, "seconds": (job.finished_at - job.started_at).total_seconds()}  # type: ignore[operator]
        here.client.download(job.id, folder / "out")
        hook = here.client.webhooks.all()[0].id
        here.until(lambda: any(one.attempts for one in here.client.webhooks.deliveries(hook)))
    told["timings"] = json.loads((folder / "out" / "report.json").read_text())["timings"]
    blobs = [path.stat().st_size for path in (folder / "data" / "blobs").rglob("*") if path.is_file()]
    told |= {"objects": len(blobs), "object_bytes": sum(blobs)}
    database = connect(f"sqlite:///{folder / 'data' / 'primesvt.sqlite3'}")
    with database.reading() as session:
        tables = Base.metadata.sorted_tables
        rows = {table.name: [dict(row) for row in session.execute(select(table)).mappings()] for table in tables}
    database.engine.dispose()
    return rows, told


def compressed(here: Service) -> Any:
    """The example, submitted with what `primesvt demo` asks for."""
    from app.catalog.states import UploadKind

    model = here.upload(EXAMPLES / "spikformer-digits.pth.tar", UploadKind.CHECKPOINT)
    images = here.upload(EXAMPLES / "digits.npz", UploadKind.DATASET)
    return here.client.submit(model.id, images.id, BUDGET)


def copied(rows: Rows, names: Mapping[str, str]) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The jobs' rows under other ids, in an order in which they can be written."""
    for table in Base.metadata.sorted_tables:
        for row in [] if table.name in ONCE else rows[table.name]:
            counted = {c.name for c in table.primary_key if c.autoincrement is True and c.type.python_type is int}
            yield table, {key: renamed(value, names) for key, value in row.items() if key not in counted}


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A value with every id in it replaced."""
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(old, new)
    return value


def ids(rows: Rows) -> set[str]:
    """Everything that belongs to the jobs' rows and that no other row may have."""
    some = [(name, row) for name, found in rows.items() if name not in ONCE for row in found]
    named = {row["id"] for _, row in some if isinstance(row.get("id"), str)}
    others = {row[field] for name, row in some for field in UNIQUE.get(name, ())}
    return named | {value for value in others if value}


def fill(database: Database, rows: Rows, jobs: int) -> None:
    """Write the rows so many times."""
    with database.session() as session:
        for table in Base.metadata.sorted_tables:
            if table.name in ONCE and rows.get(table.name) and table.name != "workers":
                session.execute(insert(table), rows[table.name])
    known = ids(rows)
    for start in range(0, jobs, COPIED_AT_ONCE):
        with database.session() as session:
            for _ in range(start, min(jobs, start + COPIED_AT_ONCE)):
                names = {old: _other(old) for old in known}
                batch: dict[str, tuple[Table, list[dict[str, Any]]]] = {}
                for table, row in copied(rows, names):
                    batch.setdefault(table.name, (table, []))[1].append(row)
                for table, some in batch.values():
                    session.execute(insert(table), some)


def _other(old: str) -> str:
    prefix, _, rest = old.rpartition("_")
    return (
        new_id(prefix)
        if prefix and len(rest) == 26
        else new_id("x").removeprefix("x_").ljust(len(old), "0")[: len(old)]
    )


def measured(database: Database, rows: Rows, jobs: int) -> dict[str, tuple[float, float, float]]:
    """Of every table with rows of jobs: rows a job, bytes a job, and of these the indexes' bytes."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        found = {}
        for name, some in rows.items():
            if name not in ONCE and some:
                sizes = "SELECT pg_total_relation_size(:name), pg_indexes_size(:name)"
                total, indexes = connection.execute(text(sizes), {"name": name}).one()
                found[name] = (float(len(some)), total / jobs, indexes / jobs)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as scratch, fresh("postgresql", Path(scratch)) as database:
        rows, told = lived(Path(scratch))
        began = time.perf_counter()
        fill(database, rows, jobs)
        print(f"written {jobs} times in {time.perf_counter() - began:.0f} s", flush=True)
        found = measured(database, rows, jobs)
    print(json.dumps(told, indent=1))
    print("\n| table | rows a job | KiB a job | of these indexes |\n|---|---|---|---|")
    for name, (count, size, index) in sorted(found.items(), key=lambda item: -item[1][1]):
        print(f"| `{name}` | {count:.0f} | {size / 1024:.1f} | {index / 1024:.1f} |")
    size = sum(size for _, size, _ in found.values())
    count = sum(count for count, _, _ in found.values())
    print(f"| all | {count:.0f} | {size / 1024:.1f} | {sum(i for *_, i in found.values()) / 1024:.1f} |")
    print("\n| jobs a day | rows a day | database a day | objects a day | storage a day |\n|---|---|---|---|---|")
    for many in PER_DAY:
        objects, volume = many * told["objects"], many * told["object_bytes"]
        a_day = f"{many * count:,.0f} | {many * size / 2**20:,.1f} MiB | {objects:,} | {volume / 2**30:,.2f} GiB"
        print(f"| {many:,} | {a_day} |")


if __name__ == "__main__":
    main()
