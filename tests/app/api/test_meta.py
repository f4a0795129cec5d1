"""Plug-ins and health."""

from __future__ import annotations

from pathlib import Path

from tests.support.api import Api
from tests.support.dashboard import Dashboard
from tests.support.plugins import documented


def test_the_server_says_how_it_is(board: Dashboard) -> None:
    nobody = Api(board, None)
    assert nobody("GET", "/livez").json()["status"] == "ok"
    assert nobody("GET", "/readyz").json()["checks"] == {"database": True, "storage": True, "broker": True}


FILES = Path(__file__).resolve().parents[3] / "primesvt_core"


def test_the_plugins_of_every_kind_are_listed(board: Dashboard, tmp_path: Path) -> None:
    """Those of ours are the files of their rooms; another is that of docs/plugins.md."""
    with documented("policies", "gentle", tmp_path):
        found = Api(board, None).get("/plugins").json()
    parameters = found.pop("policy_params")
    rooms = {
        kind: sorted(path.stem for path in (FILES / kind).glob("*.py") if not path.stem.startswith("_"))
        for kind in ("families", "policies", "criteria", "repairs", "exporters")
    }
    assert found == rooms | {"policies": sorted([*rooms["policies"], "gentle"])}
    assert parameters.keys() == {*found["policies"]}
    rounds = parameters["gentle"]["properties"]["rounds"]
    assert (rounds["type"], rounds["minimum"], rounds["default"]) == ("integer", 1, 10)
    assert rounds["description"]
