"""Write what is published of the code: JSON Schemas, pages of reference, Python's functions and the types of their
keywords, README's results.

With ``--check``, fail if any of it is out of date.
"""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
from collections.abc import Collection, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperGroup

from docs.api_page import api
from docs.readme_results import published, readme
from docs.results_picture import picture
from docs.schema_pages import page
from primesvt_client.commands.command_line import command_line
from primesvt_client.inputs import InputField, Kind
from primesvt_core import spec
from primesvt_core.integers import format as integer_format
from primesvt_core.library.asking import FOR_COMPRESSION, FOR_PRUNING, FOR_READING, KEYWORDS
from primesvt_core.report import schema, sliced

HEAD = """# Commands

Made from the commands themselves by `make docs`; `primesvt COMMAND --help` says the same.

Exit status: 0 done, 2 wrong input, 3 another verdict than `--fail-unless` names, 130 stopped by Ctrl-C, 1 anything
else. Errors go to standard error as `error [code] message`; codes are stable. Where a command has `--json`, it prints
one JSON document to standard output.
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


WIDTH = 120
OPTIONS_HEAD = '''"""Types of the keywords that the library's functions take: those of the fields of a constraint spec.

Made from `primesvt_client.spec` by `make docs`; a field is declared there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict
'''
CLASSES = (
    ("ReadingOptions", "TypedDict, total=False", FOR_READING, "How a checkpoint and a data set are read."),
    ("PruningOptions", "ReadingOptions, total=False", FOR_PRUNING, "Those of a constraint spec but a search's."),
    ("CompressionOptions", "PruningOptions, total=False", FOR_COMPRESSION, "Those of a constraint spec."),
)  # fmt: skip
FUNCTIONS = ("inspect", "evaluate", "compress", "prune", "retarget", "load", "export")
PYTHON_HEAD = """# Python functions

Made from the functions themselves by `make docs`; `docs/python.md` says how they are used. `help(primesvt.compress)`
says the same, and type checkers know all of it.
"""


def options() -> str:
    """The module of types of keywords."""
    return OPTIONS_HEAD + "".join(_option_classes())


def _option_classes() -> Iterator[str]:
    told: set[str] = set()
    for name, bases, keywords, doc in CLASSES:
        yield f'\n\nclass {name}({bases}):\n    """{doc}"""\n'
        for keyword in _in_order(keywords - told):
            field = KEYWORDS[keyword]
            yield f"\n    {keyword}: {_typed(_annotation(field))}\n{_quoted(_sentence(field))}"
        told |= keywords


def _in_order(keywords: Collection[str]) -> list[str]:
    return [keyword for keyword in KEYWORDS if keyword in keywords]


def _annotation(field: InputField) -> Any:
    """The type that a field is declared with."""
    model: Any = spec.CompressionSpec
    *parents, last = field.path
    for name in parents:
        info = model.model_fields[name]
        if field.kind is not Kind.MAPPING and (entries := _entries(info)) is not None:
            model = entries
        else:
            model = info.annotation
    return model.model_fields[last].annotation


def _entries(info: Any) -> Any:
    return next((one.entries for one in info.metadata if getattr(one, "entries", None) is not None), None)


def _typed(annotation: Any) -> str:
    """A type as people write it who give a value: a sequence where a tuple is kept."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _typed(inner[0])
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(map(_typed, inner)))
    if origin is Literal:
        return f"Literal[{', '.join(f'{QUOTE}{value}{QUOTE}' for value in inner)}]"
    if origin is tuple and Ellipsis not in inner:
        return f"tuple[{', '.join(map(_typed, inner))}]"
    if origin is tuple:
        return f"Sequence[{_typed(inner[0])}]"
    if origin is dict:
        return f"Mapping[{', '.join(map(_typed, inner))}]"
    return "None" if annotation is NoneType else str(annotation.__name__)


QUOTE = '"'


def _sentence(field: InputField) -> str:
    default = "" if field.default is None else f" (default: {field.default})"
    return f"{field.help}{default}"


def _quoted(text: str) -> str:
    """A documentation string beneath a name."""
    lines = textwrap.wrap(text, WIDTH - 10)
    whole = "\n".join(textwrap.indent(line, "    ") for line in lines)
    return f'    """{whole.strip()}"""\n' if len(lines) == 1 else f'    """{whole.strip()}\n    """\n'


def python() -> str:
    """Every function of the library with its arguments, and the keywords of the constraint spec, as Markdown."""
    import primesvt

    functions = ((name, getattr(primesvt, name)) for name in FUNCTIONS)
    return PYTHON_HEAD + "".join(_function(name, function) for name, function in functions) + "".join(_keywords())


def _function(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    parts = [_parameter(one) for one in signature.parameters.values()]
    stars = next((i for i, one in enumerate(signature.parameters.values()) if one.kind is one.KEYWORD_ONLY), None)
    if stars is not None:
        parts.insert(stars, "*")
    listed = "".join(f"    {part},\n" for part in parts)
    result = str(signature.return_annotation).replace("'", "")
    text = inspect.cleandoc(function.__doc__ or "")
    return f"\n## primesvt.{name}\n\n```python\nprimesvt.{name}(\n{listed}) -> {result}\n```\n\n{_sections(text)}\n"


def _parameter(one: inspect.Parameter) -> str:
    """A parameter as it is declared; of a function that is a default, its name."""
    stars = "**" if one.kind is one.VAR_KEYWORD else ""
    default = getattr(one.default, "__name__", repr(one.default))
    return f"{stars}{one.name}: {one.annotation}" + ("" if one.default is one.empty else f" = {default}")


def _sections(text: str) -> str:
    """A documentation string in Google's style, its sections as lists."""
    lines, found, section = text.split("\n"), [], ""
    for line in lines:
        if line in ("Args:", "Returns:", "Raises:"):
            section = line[:-1]
            found.append(f"**{section}**\n")
        elif line.startswith("    ") and not line.startswith("     ") and ": " in line and section != "Returns":
            name, _, rest = line.strip().partition(": ")
            found.append(f"- `{name}`: {rest}")
        else:
            found.append(f"  {line.strip()}" if line.startswith("     ") else line.strip())
    return "\n".join(found).replace("``", "`")


def _keywords() -> Iterator[str]:
    titles = {"ReadingOptions": "evaluate, prune and compress", "PruningOptions": "prune and compress"}
    told: set[str] = set()
    yield "\n## Options\n\nFields of the constraint spec (`docs/spec.schema.json`); on the command line the same.\n"
    for name, _, keywords, _doc in CLASSES:
        yield f"\n### {name}: of {titles.get(name, 'compress')}\n\n| keyword | type | |\n|---|---|---|\n"
        for keyword in _in_order(keywords - told):
            field = KEYWORDS[keyword]
            kind = _typed(_annotation(field)).replace("|", "\\|")
            yield f"| `{keyword}` | `{kind}` | {_sentence(field)} |\n"
        told |= keywords


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


def results_picture() -> str:
    """The picture of the results."""
    return picture(published())


DOCUMENTS = {
    "spec.schema.json": spec.json_schema, "report.schema.json": schema.json_schema,
    "sliced-report.schema.json": sliced.json_schema, "integer.schema.json": integer_format.json_schema,
    "commands.md": commands, "spec.md": spec_page, "report.md": report_page, "api.md": api, "../README.md": readme,
    "results.svg": results_picture, "../primesvt_core/library/options.py": options, "python-functions.md": python,
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
