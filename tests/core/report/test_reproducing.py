"""The command of a report: read by a shell and by the command line, it is the spec of the run."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from primesvt_client import spec as specs
from primesvt_client.options import takes_spec
from primesvt_core.report.reproducing import asked, command, request
from primesvt_core.report.schema import Report
from tests.support.dashboard import sample_report

SPECS: tuple[dict[str, Any], ...] = (
    {"budget": {"max_accuracy_drop": 0.03}},
    {"budget": {"max_accuracy_drop": 0.1 + 0.2, "min_memory_saving": 1 / 3, "max_macs": 10**9}, "preset": "paper"},
    {"budget": {"max_accuracy_drop": 0.03}, "rates": [0.5, 0.125], "excluded_groups": ["stem.*", "$(reboot) 'x' `y`"]},
    {"budget": {"max_disagreement": 0.05}, "max_rates": {"block.*": 0.5}, "accept_unproven": True, "baselines": False},
    {"budget": {"max_accuracy_drop": 0.03}, "groups": ["block.*"], "value_range": [-1.0, 1.0], "seed": 7},
    {"budget": {"max_accuracy_drop": 0.03}, "class_order": ["cat", "it's\u00e4 dog"], "splits": {"search_images": 40}},
    {"budget": {"max_accuracy_drop": 0.03}, "assumptions": {"time_steps": 4}, "repair": "none", "weights": "int8"},
    {"budget": {"max_accuracy_drop": 0.03}, "policy_params": {"x": "-1"}, "fine_tuning": {"seconds": 300.0}},
)


def report_of(spec: dict[str, Any]) -> Report:
    return sample_report().model_copy(update={"spec": specs.parse_as(specs.CompressionSpec, spec)})


def parsed(line: str, folder: Path) -> specs.CompressionSpec:
    """The spec of a command line, as a shell and the command read it."""
    seen = folder / "arguments"
    program = f'primesvt() {{ printf "%s\\0" "$@" > {shlex.quote(str(seen))}; }}\n{line}\n'
    subprocess.run(["/bin/sh", "-c", program], cwd=folder, check=True)
    arguments = seen.read_bytes().decode().split("\0")[:-1]
    found: list[dict[str, Any]] = []

    def compress(checkpoint: str, document: dict[str, Any], data: str = "", out: str = "") -> None:
        assert (checkpoint, data, out) == ("CHECKPOINT", "DATA", "OUT")
        found.append(document)

    app = typer.Typer()
    app.command()(takes_spec(compress))
    where = [str(folder / "spec.json") if one == "spec.json" else one for one in arguments[1:]]
    result = CliRunner().invoke(app, where, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return specs.parse_as(specs.CompressionSpec, found[0])


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_it_is_the_spec_of_the_run(spec: dict[str, Any], tmp_path: Path) -> None:
    report = report_of(spec)
    assert parsed(command(report), tmp_path) == report.spec


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_so_is_the_request(spec: dict[str, Any], tmp_path: Path) -> None:
    report = report_of(spec)
    line = request(report)
    assert line is not None
    program = f'curl() {{ for last; do :; done; printf "%s" "$last" > body; }}\n{line}\n'
    subprocess.run(["/bin/sh", "-c", program], cwd=tmp_path, check=True)
    body = json.loads((tmp_path / "body").read_bytes())
    assert specs.parse_as(specs.CompressionSpec, body["spec"]) == report.spec


def test_what_is_the_default_is_left_out() -> None:
    assert asked(report_of(SPECS[0])) == {"budget": {"max_accuracy_drop": 0.03}}
    assert "\n" not in command(report_of({"budget": {}, **SPECS[0]})).replace(" \\\n", "")


def test_a_given_plan_is_carried_out_by_prune() -> None:
    report = report_of(SPECS[0]).model_copy(update={"given_rates": {"embedding": 0.5}})
    assert command(report).startswith("primesvt prune CHECKPOINT --plan report.json --data DATA --out OUT")
    assert request(report) is None
