"""What `docs/operations.md` and the alerts name is what the code tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.metrics import REGISTRY
from tests.support.dashboard import Dashboard
from worker.metrics_server import GPU_NUMBERS

ROOT = Path(__file__).resolve().parents[2]
SUFFIX = re.compile(r"_(bucket|count|sum)$")
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names as Prometheus sees them, without what histograms append."""
    board = Dashboard(tmp_path_factory.mktemp("metrics"))
    families = [*REGISTRY.collect(), *board.app.state.metrics.registry.collect()]
    board.close()
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    return names | {*GPU_NUMBERS}


def test_every_metric_is_documented_and_no_other(metrics: set[str]) -> None:
    table = DOCUMENT.split("| metric |")[1].split("| alert |")[0]
    assert set(re.findall(r"`(primesvt_\w+)", table)) == metrics


def test_alerts_ask_for_metrics_that_there_are_and_each_has_its_remedy(metrics: set[str]) -> None:
    [group] = yaml.safe_load((ROOT / "docs" / "prometheus-rules.yml").read_text())["groups"]
    remedies = DOCUMENT.split("| alert |")[1].split("## Logs")[0]
    for rule in group["rules"]:
        named = re.findall(r"\bprimesvt_\w+", rule["expr"])
        assert {SUFFIX.sub("", name) for name in named} <= metrics, rule["alert"]
        assert named or rule["expr"].startswith("up{")
        assert f"`{rule['alert']}`" in remedies
        assert rule["annotations"]["summary"]
    assert set(re.findall(r"`(Primesvt\w+)`", remedies)) == {rule["alert"] for rule in group["rules"]}


LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}


def logged() -> Iterator[tuple[str, str]]:
    """Events and levels of every call of a logger; a level that is decided at run time is empty."""
    for folder in ("app", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and _is_logger(call.func.value):
                    name = call.func.attr
                    if name in LEVELS or name == "log":
                        event = call.args[0 if name in LEVELS else 1]
                        assert isinstance(event, ast.Constant), f"{path}:{call.lineno}: an event is a constant"
                        yield str(event.value), LEVELS.get(name, "")


def _is_logger(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("log", "logger")


def test_every_log_event_is_documented_with_its_level() -> None:
    table = DOCUMENT.split("| event |")[1].split("## Back-up")[0]
    documented: dict[str, str] = {}
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        documented |= {event: cells[1] for event in re.findall(r"`(\w+)`", cells[0]) if len(cells) == 4}
    found = {*logged()}
    assert {event for event, _ in found} == documented.keys()
    assert not [(event, level) for event, level in found if level not in documented[event]]
