"""Write the published JSON Schemas, or with ``--check`` fail if they are out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from primesvt_core import report, spec

SCHEMAS = {"spec.schema.json": spec.json_schema, "report.schema.json": report.json_schema}


def main() -> int:
    stale = []
    for name, schema in SCHEMAS.items():
        path = Path(__file__).with_name(name)
        current = schema()
        if path.exists() and path.read_text(encoding="utf-8") == current:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(current, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"{', '.join(stale)} out of date: run `make schemas`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
