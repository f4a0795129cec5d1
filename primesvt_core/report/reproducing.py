"""The commands that carry out a report's run again, quoted for the shell. Free of torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from primesvt_client.inputs import InputField, Kind
from primesvt_client.options import FIELDS, SEARCHING
from primesvt_client.plan_files import NO_LIMIT
from primesvt_client.presets import DEFAULT_PRESET, resolved
from primesvt_core.report.schema import Report

CHECKPOINT, DATA, OUT = "CHECKPOINT", "DATA", "OUT"
FOLD = " \\\n    "
MARK = "PRIMESVT_SPEC"


def command(report: Report) -> str:
    """The command line of the run, with every field that is not the default."""
    if report.family_of_budgets is not None:
        name = "max_disagreement" if report.by_disagreement else "max_accuracy_drop"
        option = ["--" + name.replace("_", "-"), f"{report.spec.budget.allowed_drop:.12g}"]
        return shlex.join(["primesvt", "retarget", "RUN", *option, "--out", OUT])
    document, start, known = asked(report), ["primesvt", "compress", CHECKPOINT], FIELDS
    if report.given_rates is not None:
        start = ["primesvt", "prune", CHECKPOINT, "--plan", "report.json"]
        known = {place: field for place, field in FIELDS.items() if place not in SEARCHING}
        document = {key: value for key, value in document.items() if (key, value) != ("budget", dict(NO_LIMIT))}
    lines = [shlex.join([*start, "--data", DATA, "--out", OUT])]
    options, left = _options(document, {field.path: field for field in known.values()})
    if not left:
        return FOLD.join([*lines, *options])
    # What no option can say is in a file of the whole spec.
    whole = json.dumps(document, indent=2, ensure_ascii=True)
    return f"cat > spec.json <<'{MARK}'\n{whole}\n{MARK}\n{lines[0]} --spec spec.json"


def request(report: Report) -> str | None:
    """The call of the REST API; None of another budget, and of a given plan, which the dashboard repeats."""
    if report.family_of_budgets is not None or report.given_rates is not None or report.metric is not None:
        return None
    body = json.dumps({"checkpoint_id": "upl_…", "dataset_id": "upl_…", "spec": asked(report)}, ensure_ascii=False)
    arguments = [
        'curl -H "Authorization: Bearer $PRIMESVT_API_KEY" -H "Content-Type: application/json"',
        '"$PRIMESVT_SERVER/api/v1/jobs"', f"-d {shlex.quote(body)}",
    ]  # fmt: skip
    return FOLD.join(arguments)


def asked(report: Report) -> dict[str, Any]:
    """The spec's document, as short as it can be: what its preset sets and what is the default is left out."""
    whole = report.spec.model_dump(mode="json")
    preset = whole.get("preset", DEFAULT_PRESET)
    usual = type(report.spec).model_validate(resolved({"budget": whole["budget"], "preset": preset}))
    plain = usual.model_dump(mode="json")
    found = {key: _differing(value, plain.get(key)) for key, value in whole.items() if value != plain.get(key)}
    head = {} if preset == DEFAULT_PRESET else {"preset": preset}
    budget = {name: value for name, value in whole["budget"].items() if value is not None}
    return {"budget": budget, **head, **{key: value for key, value in found.items() if key not in ("budget", "preset")}}


def _differing(value: Any, usual: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(usual, Mapping):
        return {key: _differing(one, usual.get(key)) for key, one in value.items() if one != usual.get(key)}
    return value


def _options(document: Mapping[str, Any], known: Mapping[tuple[str, ...], InputField]) -> tuple[list[str], bool]:
    """The options of a document, a line each, and whether something of it is left that no option can say."""
    lines: list[str] = []
    left = False
    for path, value in _leaves(document, known):
        field = known.get(path)
        written = None if field is None else _written(field, value)
        if written is None:
            left = True
        else:
            lines += written
    return lines, left


def _leaves(
    document: Mapping[str, Any], known: Mapping[tuple[str, ...], InputField]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a document by their places; a mapping that is one option is one value."""

    def walk(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        for key, value in node.items():
            here = (*path, key)
            is_option = here in known and known[here].kind is Kind.MAPPING
            if isinstance(value, Mapping) and not is_option:
                yield from walk(value, here)
            else:
                yield here, value

    yield from walk(document, ())


def _written(field: InputField, value: Any) -> list[str] | None:
    """The option, or options, that give a field a value; None if none can."""
    if value is None:
        return None
    match field.kind:
        case Kind.SWITCH:
            return [field.option if value else f"--no-{field.option[2:]}"]
        case Kind.NUMBERS:
            return [_option(field, ",".join(map(_number, value)))] if value else None
        case Kind.RANGE:
            return None
        case Kind.TEXTS:
            return [_option(field, str(one)) for one in value] if value else None
        case Kind.MAPPING:
            return _entries(field, value)
        case Kind.ORDER:
            return [_option(field, value)] if isinstance(value, str) else None
        case _:
            return [_option(field, _number(value))]


def _entries(field: InputField, entries: Mapping[str, Any]) -> list[str] | None:
    lines = []
    for name, value in entries.items():
        if isinstance(value, str | list) or "=" in name:  # a text may look like a number
            return None
        lines.append(_option(field, f"{name}={_number(value)}"))
    return lines


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _option(field: InputField, text: str) -> str:
    """One option; written with an equals sign where the value would be taken for another option."""
    if text.startswith("-"):
        return f"{field.option}={shlex.quote(text)}"
    return f"{field.option} {shlex.quote(text)}"
