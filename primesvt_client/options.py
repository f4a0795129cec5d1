"""Options of the command line that make up a constraint spec, the same for every command that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from primesvt_client import spec as specs
from primesvt_client.errors import SpecError

Checkpoint = Annotated[
    Path, typer.Argument(help="Checkpoint: .pth, .pth.tar, .pt or .safetensors.", show_default=False)
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Labelled evaluation data: ImageFolder folder, .zip or .tar; .npz; IDX files; CIFAR's python archive.",
        show_default=False,
    ),
]
TrainData = Annotated[Path | None, typer.Option("--train-data", help="Labelled images to fine-tune on.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


TimeSteps = Annotated[int | None, typer.Option("--time-steps", min=1, help="T, if the checkpoint does not say.")]
Heads = Annotated[int | None, typer.Option("--heads", min=1, help="Attention heads, if the checkpoint does not say.")]
Assume = Annotated[
    list[str] | None, typer.Option("--assume", help="Any other config field that weights cannot tell: FIELD=VALUE.")
]
Container = Annotated[
    str | None,
    typer.Option(
        "--container",
        help="Which weights of a file that has several: state_dict_ema ... (default: as trained)",
    ),
]

ASKED = "asked"
"""The parameter in which a command gets its constraint spec."""


def takes_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a constraint spec; it gets the document as ``asked``."""
    own, options = inspect.signature(command, eval_str=True), inspect.signature(spec_document, eval_str=True)

    @wraps(command)
    def run(**given: Any) -> None:
        asked = spec_document(**{name: given.pop(name) for name in options.parameters})
        command(**given, asked=asked)

    parameters = [p for name, p in own.parameters.items() if name != ASKED] + [*options.parameters.values()]
    named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = own.replace(parameters=named)  # type: ignore[attr-defined]
    run.__annotations__ = {}  # what typer reads is the signature
    return run


def spec_document(
    max_accuracy_drop: Annotated[float | None, typer.Option(help="Largest loss; 0.03 is three points.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Lowest accuracy of the pruned model.")] = None,
    min_memory_saving: Annotated[
        float | None, typer.Option(help="Share of memory that must go; 0.25 is a quarter.")
    ] = None,
    max_parameter_bytes: Annotated[int | None, typer.Option(help="Largest parameter memory of the result.")] = None,
    policy: Annotated[str | None, typer.Option(help="Decides the rates (default: prioritized)")] = None,
    policy_param: Annotated[
        list[str] | None, typer.Option(help="Parameter of the policy: NAME=VALUE; commas between several values.")
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="Scores the channels (default: l2)")] = None,
    rates: Annotated[str | None, typer.Option(help="Rates to try, by commas. (default: 0.1 to 0.9)")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Channel groups to leave alone; * and ? match.")] = None,
    fine_tune_epochs: Annotated[int | None, typer.Option(min=0, help="Epochs of fine-tuning. (default: 0)")] = None,
    time_steps: TimeSteps = None,
    heads: Heads = None,
    assume: Assume = None,
    container: Container = None,
    search_images: Annotated[int | None, typer.Option(min=1, help="Images the search sees. (default: 1000)")] = None,
    confirmation_images: Annotated[
        int | None, typer.Option(min=1, help="Unseen images that check the promise. (default: 4000)")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time. (default: 50)")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N. (default: auto)")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the splits. (default: 0)")] = None,
    spec: Annotated[
        Path | None, typer.Option(help="Constraint spec, YAML or JSON; the other options override it.")
    ] = None,
) -> dict[str, JsonValue]:
    """The constraint spec of a command line: the file's, with the options laid over it.

    Raises:
        SpecError: if it is wrong.
    """
    document: dict[str, JsonValue] = specs.read_document(spec) if spec else {}
    _lay_over(document, ("budget",), {
        "max_accuracy_drop": max_accuracy_drop, "min_accuracy": min_accuracy,
        "min_memory_saving": min_memory_saving, "max_parameter_bytes": max_parameter_bytes,
    })  # fmt: skip
    _lay_over(document, (), {
        "policy": policy, "criterion": criterion, "rates": _rates(rates), "batch_size": batch_size, "device": device,
        "seed": seed, "container": container, "excluded_groups": [*exclude] if exclude else None,
    })  # fmt: skip
    _lay_over(document, ("splits",), {"search_images": search_images, "confirmation_images": confirmation_images})
    _lay_over(document, ("fine_tuning",), {"epochs": fine_tune_epochs})
    _lay_over(document, ("policy_params",), _policy_params(policy_param))
    _lay_over(document, ("assumptions",), assumptions(time_steps, heads, assume))
    document.setdefault("budget", {})
    specs.parse_as(specs.CompressionSpec, document)  # before anything is read or sent
    return document


def assumptions(
    time_steps: int | None, heads: int | None, assume: list[str] | None
) -> dict[str, bool | int | float | str]:
    """What the caller knows of the config.

    Raises:
        SpecError: if an entry is not FIELD=VALUE.
    """
    known = {field: _value(text) for field, text in _pairs("--assume", "FIELD=VALUE, as in image_size=64", assume)}
    return known | {k: v for k, v in (("time_steps", time_steps), ("num_heads", heads)) if v is not None}


def _policy_params(given: list[str] | None) -> dict[str, JsonValue]:
    form = "NAME=VALUE, as in steps=3 or rates=0.2,0.4"
    return {
        name: [_value(part) for part in text.split(",")] if "," in text else _value(text)
        for name, text in _pairs("--policy-param", form, given)
    }


def _pairs(option: str, form: str, given: list[str] | None) -> Iterator[tuple[str, str]]:
    for entry in given or ():
        name, equals, text = entry.partition("=")
        if not equals:
            raise SpecError(f"{option} {entry}: write {form}")
        yield name, text


def _value(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            if str(number := kind(text)) == text:
                return number
        except ValueError:
            continue
    return text  # 0011 too: what a number would lose stays, and fields of numbers read them off texts


def _rates(text: str | None) -> list[JsonValue] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SpecError(f"--rates {text}: write fractions by commas, as in 0.1,0.3,0.5") from None


def _lay_over(document: dict[str, JsonValue], path: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Options of the command line override the document's fields."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return
    node: Any = document
    for key in path:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise SpecError(f"{key} in the constraint spec is no mapping of fields")
    node.update(given)
