"""The options that are written for a spec are read as that spec."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from pydantic import JsonValue
from typer.testing import CliRunner

from primesvt_client.options import takes_spec
from primesvt_client.presets import PRESETS, resolved
from primesvt_client.spec import CompressionSpec, parse_as
from primesvt_client.written_options import options_of

app = typer.Typer()


@app.command()
@takes_spec
def show(document: dict[str, JsonValue]) -> None:
    typer.echo(json.dumps(document))


def validated(document: dict[str, Any]) -> dict[str, Any]:
    return parse_as(CompressionSpec, resolved(document)).model_dump(mode="json")


@pytest.mark.parametrize(
    "spec",
    [
        {"budget": {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}},
        {"budget": {"max_disagreement": 0.1 + 0.2, "max_parameter_bytes": 1 << 50}, "preset": "paper"},
        {"budget": {"min_accuracy": 0.9}, "rates": [0.1, 0.5], "excluded_groups": ["a.*", "it's; $(b)"], "seed": 7},
        {"budget": {"max_macs": 5}, "assumptions": {"time_steps": 4, "image_size": 32, "ratio": 2.5, "lif": True}},
        {"budget": {"max_macs": 5}, "assumptions": {"num_heads": "3,6,6", "code": "0011"}, "max_rates": {"*.fc1": 0.5}},
        {"budget": {"max_macs": 5}, "preprocessing": {"mean": [-0.5, 0.0, 0.5], "crop": 32}, "value_range": [-1, 1]},
        {"budget": {"max_macs": 5}, "class_order": "plain", "allow_fewer_classes": True, "accept_unproven": False},
        {"budget": {"max_macs": 5}, "fine_tuning": {"seconds": 90.0, "recover_to": 0.7}, "weights": "int8"},
        {"budget": {"max_macs": 5}, "policy_params": {"floor": 0.5, "shares": [1, 2.5]}, "device": "cuda:1"},
        {"budget": {"max_macs": 5}, "splits": {"search_images": 9}},
    ],
)  # fmt: skip
def test_they_are_read_as_the_spec(spec: dict[str, Any]) -> None:
    words = options_of(resolved(spec))
    assert words is not None
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert validated(json.loads(done.stdout)) == validated(spec)


@pytest.mark.parametrize(
    "more",
    [
        {"groups": ["block.*"]}, {"class_order": ["b", "a"]}, {"fine_tuning": {"epochs": 1, "batch_size": 9}},
        {"assumptions": {"name": "5"}}, {"assumptions": {"ratios": [1, 2]}},
        {"splits": {"calibration_images": 5}}, {"of another version": 1},
    ],
)  # fmt: skip
def test_what_only_a_file_can_say_has_none(more: dict[str, Any]) -> None:
    assert options_of(resolved({"budget": {"max_macs": 5}, **more})) is None


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_what_a_preset_sets_is_left_out(preset: str) -> None:
    words = options_of(resolved({"budget": {"max_accuracy_drop": 0.03}, "preset": preset}))
    assert words == ["--max-accuracy-drop", "0.03", *([] if preset == "deep" else ["--preset", preset])]
