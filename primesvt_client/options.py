"""Options that several commands share; those of a constraint spec are derived from its declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from primesvt_client import spec as specs
from primesvt_client.errors import SpecError
from primesvt_client.inputs import InputField, Kind, Unit, input_fields
from primesvt_client.plan_files import NO_LIMIT

_CHECKPOINT = typer.Argument(help="Checkpoint: .pth, .pth.tar, .pt or .safetensors.", show_default=False)
_DATA = typer.Option(
    "--data",
    help="Evaluation data: ImageFolder folder, .zip or .tar; .npz; frames of events; Parquet; IDX files; CIFAR's"
    " python archive. With labels, unless the disagreement is what is limited.",
    show_default=False,
)
Checkpoint = Annotated[Path, _CHECKPOINT]
Data = Annotated[Path, _DATA]
MaybeCheckpoint = Annotated[Path | None, _CHECKPOINT]
MaybeData = Annotated[Path | None, _DATA]
"""The same where something else may stand for them."""

TrainData = Annotated[
    Path | None,
    typer.Option("--train-data", help="Images that calibrate repairs and criteria, and that fine-tuning learns from."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
SpecFile = Annotated[Path | None, typer.Option("--spec", help="Constraint spec, YAML or JSON; options override it.")]

FIELDS = {field.place: field for field in input_fields(specs.CompressionSpec) if field.how.on_command}
"""The fields of a constraint spec that are options, by their places."""

MAX_TEXT_BYTES = 16 << 20

Scalar = bool | int | float | str
Entry = Scalar | list[Scalar]

SPEC_DOCUMENT = "document"
"""The parameter in which a command gets its constraint spec."""

TYPES: Mapping[Kind, Any] = {
    Kind.INTEGER: int | None,
    Kind.NUMBER: float | None,
    Kind.SWITCH: bool | None,
    Kind.TEXTS: list[str] | None,
    Kind.MAPPING: list[str] | None,
}
"""What typer reads; the others are texts."""


WRITTEN: Mapping[Kind | Unit, str] = {
    Kind.NUMBERS: "Fractions separated by commas.",
    Kind.RANGE: "LOW:HIGH.",
    Kind.TEXTS: "May be given several times.",
    Kind.ORDER: "natural, plain, or a text file with one class a line.",
    Kind.MAPPING: "NAME=VALUE; may be given several times.",
    Unit.BYTES: "In bytes.",
}


def _option(place: str) -> Any:
    """How typer shows a field."""
    field = FIELDS[place]
    is_switch = field.kind is Kind.SWITCH
    # Bounds are the spec's to check, whose errors have a code.
    return typer.Option(f"{field.option}/--no-{field.option[2:]}" if is_switch else field.option, help=_help(field))


def _help(field: InputField) -> str:
    """What the field is, in which unit it is given, and what holds if it is not."""
    parts = [field.help]
    if field.is_fraction and isinstance(field.example, float):
        unit = "points" if field.how.unit is Unit.POINTS else "%"
        parts.append(f"{field.example:g} is {100 * field.example:g} {unit}.")
    parts += [WRITTEN[key] for key in (field.kind, field.how.unit) if key in WRITTEN]
    if field.choices and field.kind is not Kind.ORDER:
        parts.append(f"{', '.join(field.choices)}.")
    if field.default is not None:
        default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        parts.append(f"(default: {default})")
    return " ".join(part for part in parts if part)


Container = Annotated[str | None, _option("container")]
Device = Annotated[str, typer.Option("--device", help=FIELDS["device"].help)]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a checkpoint and a data set are read, where nothing is compressed.

    Attributes:
        assumptions: of the config's fields that weights do not determine.
        container: which weights of a file that has several.
        classes: which class has which number.
        pixels: what values mean.
    """

    assumptions: Mapping[str, Scalar]
    container: str | None
    classes: specs.ClassReading
    pixels: specs.PixelReading


READING = {*specs.PixelReading.model_fields, *specs.ClassReading.model_fields, "assumptions", "container"}
"""The fields of a constraint spec that say how its inputs are read."""


SEARCHING = frozenset(
    {
        "budget.min_memory_saving", "budget.max_parameter_bytes", "budget.max_macs", "budget.max_inference_bytes",
        "budget.max_synaptic_operations", "budget.max_stored_bytes", "policy", "policy_params", "rates", "profile",
        "excluded_groups", "max_rates", "baselines",
    }
)  # fmt: skip
"""Fields, by their places, that say what is searched for, and how far."""


def takes_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a constraint spec; it gets the document as ``document``."""
    options = [*map(_parameter_of, FIELDS.values()), _parameter("spec", SpecFile)]
    return _with_options(command, options, SPEC_DOCUMENT, spec_document)


def takes_submitted_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a constraint spec, whose budget may be left out; whether it may, it checks."""
    options = [*map(_parameter_of, FIELDS.values()), _parameter("spec", SpecFile)]
    return _with_options(command, options, SPEC_DOCUMENT, submitted_document)


def takes_pruning_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a constraint spec but those of a search; it gets the document as ``document``.

    A spec that limits nothing is one whose model may lose whatever it does.
    """
    options = [_parameter_of(field) for place, field in FIELDS.items() if place not in SEARCHING]
    return _with_options(command, [*options, _parameter("spec", SpecFile)], SPEC_DOCUMENT, pruning_document)


def takes_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command those options of a constraint spec that say how its inputs are read, as a `Reading`."""
    options = [_parameter_of(field) for field in FIELDS.values() if field.path[0] in READING]
    return _with_options(command, options, "reading", reading)


def takes_identity(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command those options that say what a checkpoint is, as a `Reading` of no data."""
    options = [_parameter_of(field) for field in FIELDS.values() if field.path[0] in ("assumptions", "container")]
    return _with_options(command, options, "reading", reading)


def _with_options(
    command: Callable[..., None], options: Sequence[inspect.Parameter], name: str, read: Callable[..., object]
) -> Callable[..., None]:
    """A command with further options, of which ``read`` makes what it gets as the parameter ``name``."""
    own = inspect.signature(command, eval_str=True)

    @wraps(command)
    def run(**given: Any) -> None:
        found = read(**{option.name: given.pop(option.name) for option in options})
        command(**given, **{name: found})

    parameters = [p for own_name, p in own.parameters.items() if own_name != name] + [*options]
    named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = own.replace(parameters=named)  # type: ignore[attr-defined]
    run.__annotations__ = {}  # what typer reads is the signature
    return run


def _parameter_of(field: InputField) -> inspect.Parameter:
    return _parameter(field.parameter, Annotated[TYPES.get(field.kind, str | None), _option(field.place)])


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def spec_document(spec: Path | None = None, **given: Any) -> dict[str, JsonValue]:
    """The constraint spec of a command line: the file's, with the options laid over it.

    Args:
        spec: YAML or JSON file.
        given: values of options, by their names with underscores; None where one is not given.

    Raises:
        SpecError: if it is wrong.
    """
    document: dict[str, JsonValue] = specs.read_document(spec) if spec else {}
    _lay_all_over(document, given)
    document.setdefault("budget", {})
    specs.parse_as(specs.CompressionSpec, document)  # before anything is read or sent
    return document


def submitted_document(spec: Path | None = None, **given: Any) -> dict[str, JsonValue]:
    """The same, without a budget where none is given.

    Raises:
        SpecError: if it is wrong.
    """
    document: dict[str, JsonValue] = specs.read_document(spec) if spec else {}
    _lay_all_over(document, given)
    specs.parse_as(specs.CompressionSpec, {"budget": dict(NO_LIMIT), **document})
    return document


def pruning_document(spec: Path | None = None, **given: Any) -> dict[str, JsonValue]:
    """The same where nothing is searched for: if no budget is given, one that limits nothing.

    Raises:
        SpecError: if it is wrong.
    """
    document: dict[str, JsonValue] = specs.read_document(spec) if spec else {}
    _lay_all_over(document, given)
    document["budget"] = document.get("budget") or dict(NO_LIMIT)
    specs.parse_as(specs.CompressionSpec, document)
    return document


def reading(**given: Any) -> Reading:
    """How inputs are read, where nothing is compressed.

    Args:
        given: values of options, by their names with underscores; None where one is not given.

    Raises:
        SpecError: if it is wrong.
    """
    document: dict[str, Any] = {}
    _lay_all_over(document, given)
    return Reading(
        assumptions=document.get("assumptions", {}),
        container=document.get("container"),
        classes=_part(specs.ClassReading, document),
        pixels=_part(specs.PixelReading, document),
    )


def _part(kind: type[specs.Spec], document: Mapping[str, JsonValue]) -> specs.Spec:
    return specs.parse_as(kind, {name: value for name, value in document.items() if name in kind.model_fields})


def _lay_all_over(document: dict[str, JsonValue], given: Mapping[str, Any]) -> None:
    """The options that are given override the document's fields."""
    if unknown := given.keys() - {field.parameter for field in FIELDS.values()}:
        raise TypeError(f"no option {', '.join(sorted(unknown))}")
    for field in reversed(FIELDS.values()):  # entries of a mapping come before it, and override it
        if (value := given.get(field.parameter)) is not None and value != []:
            _lay_over(document, field, _read(field, value))


def _read(field: InputField, value: Any) -> Any:
    """The value of a document that an option means.

    Raises:
        SpecError: it is not written as it must be.
    """
    match field.kind:
        case Kind.NUMBERS:
            return _numbers(field.option, value)
        case Kind.MAPPING:
            return _mapping(field, value)
        case Kind.TEXTS:
            return [*value]
        case Kind.ORDER:
            return value if value in field.choices else _lines(field.option, Path(value))
        case _:
            return value


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SpecError(f"{option} {text}: write fractions separated by commas, as in 0.1,0.3,0.5") from None


def _lines(option: str, path: Path) -> list[str]:
    """The lines of a text file, without empty ones.

    Raises:
        SpecError: there is no such file, or it is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        raise SpecError(f"{option} {path}: it is neither natural, plain nor a text file ({error})") from None
    if len(content) > MAX_TEXT_BYTES:
        raise SpecError(f"{option} {path}: it is longer than {MAX_TEXT_BYTES:,} bytes; give a text file with names")
    return [line for line in lines if line]


def _mapping(field: InputField, entries: list[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals:
            example = "".join(f", as in {key}={one}" for key, one in (field.example or {}).items())
            raise SpecError(f"{field.option} {entry}: write NAME=VALUE{example}")
        found[name] = entry_value(field, value)
    return found


def entry_value(field: InputField, text: str) -> Entry:
    """What a text means as the value of one key of a mapping."""
    return [scalar(part.strip()) for part in text.split(",")] if field.how.has_lists and "," in text else scalar(text)


def scalar(text: str) -> Scalar:
    """What a text means in a spec: a truth value, a number, or itself."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            if str(number := kind(text)) == text:
                return number
        except ValueError:
            continue
    return text  # 0011 too: what a number would lose stays, and fields of numbers read them off texts


def _lay_over(document: dict[str, JsonValue], field: InputField, value: Any) -> None:
    """An option overrides the document's field; a mapping's, entry by entry."""
    *parents, last = field.path if field.kind is not Kind.MAPPING else (*field.path, "")
    node: Any = document
    for key in parents:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise SpecError(f"{key} in the constraint spec is no mapping of fields")
    node.update({last: value} if last else value)
