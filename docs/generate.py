"""Write what is published of the code: JSON Schemas, pages of reference, README's results.

With ``--check``, fail if it is out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperGroup

from docs.api_page import api
from docs.readme_results import readme
from docs.schema_pages import page
from primesvt_client.commands.command_line import command_line
from primesvt_core import spec
from primesvt_core.report import schema, sliced

HEAD = """# Commands

Made from the commands themselves by `make docs`; `primesvt COMMAND --help` says the same.

Exit status: 0 done, 2 wrong input, 130 stopped by Ctrl-C, 1 anything else. Errors go to standard error as
`error [code] message`; codes are stable. Where a command has `--json`, it prints one JSON document to standard output.
"""


def commands() -> str:
    """Every command with its arguments and options, as Markdown."""
    return HEAD + "".join(_described(typer.main.get_command(command_line()), "primesvt"))


def _described(command: object, name: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for inner in command.commands.values():
            yield from _described(inner, f"{name} {inner.name}")
        return
    yield f"\n## {name}\n\n{' '.join((command.help or '').split())}\n\n| | |\n|---|---|\n"  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        if isinstance(parameter, TyperArgument):
            yield f"| `{(parameter.name or '').upper()}` | {parameter.help or ''} |\n"
        elif parameter.name != "help":
            variable = f" Also by `{parameter.envvar}`." if parameter.envvar else ""
            yield f"| `{'`, `'.join(parameter.opts)}` | {parameter.help or ''}{_default(parameter)}{variable} |\n"


def _default(parameter: object) -> str:
    default = getattr(parameter, "default", None)
    is_told = getattr(parameter, "show_default", True) and default not in (None, "", False) and not callable(default)
    return f" Default: `{default}`." if is_told else ""


SPEC = """What a compression is asked for, as YAML or JSON: with `--spec` on the command line, as `spec` in the API. The
same as a schema for machines: `docs/spec.schema.json` of a checkout."""
REPORT = """What `report.json` of a finished run holds. The same as a schema for machines: `docs/report.schema.json` of
a checkout; `docs/sliced-report.schema.json` is of models that were pruned without data."""


def spec_page() -> str:
    """Every field of a spec."""
    return page("Spec", SPEC, json.loads(spec.json_schema()))


def report_page() -> str:
    """Every field of a report."""
    return page("Report", REPORT, json.loads(schema.json_schema()))


DOCUMENTS = {
    "spec.schema.json": spec.json_schema, "report.schema.json": schema.json_schema,
    "sliced-report.schema.json": sliced.json_schema, "commands.md": commands, "spec.md": spec_page,
    "report.md": report_page, "api.md": api, "../README.md": readme,
}  # fmt: skip


def main() -> int:
    stale = []
    for name, document in DOCUMENTS.items():
        path = Path(__file__).parent / name
        current = document()
        if path.exists() and path.read_text(encoding="utf-8") == current:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(current, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"{', '.join(stale)} out of date: run `make docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
