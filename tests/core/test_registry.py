"""Plug-ins: found in rooms, folders and installed packages, loaded when asked for, refused where they are wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import primesvt_core
from primesvt_core import registry
from primesvt_core.criteria import CRITERIA
from primesvt_core.errors import SpecError, UnknownPlugin
from primesvt_core.exporters import EXPORTERS
from primesvt_core.families import FAMILIES
from primesvt_core.policies import POLICIES
from primesvt_core.registry import Registry
from primesvt_core.repairs import REPAIRS
from tests.support.plugins import refound

ALL: tuple[Registry[Any], ...] = (FAMILIES, POLICIES, CRITERIA, REPAIRS, EXPORTERS)
CRITERION = """\
from primesvt_core.criteria import Criterion
from primesvt_core.registry import Need

CRITERION = Criterion(score=lambda scoring, group: scoring.state[group.producers[0]].flatten(1).sum(1){needs})
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    with refound():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that ``PRIMESVT_CRITERIA`` names."""
    found = tmp_path / "criteria"
    found.mkdir()
    monkeypatch.setenv("PRIMESVT_CRITERIA", str(found))
    return found


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, entries: str) -> None:
    """Make ``folder`` look like one into which a package with these entry points was installed."""
    facts = folder / f"{name}-2.1.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
    (facts / "entry_points.txt").write_text(f"[primesvt.criteria]\n{entries}\n")
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("room", ALL, ids=lambda room: room.kind)
def test_every_file_is_a_plug_in_and_its_record_is_of_its_kind(room: Registry[Any]) -> None:
    files = {path.stem for path in (Path(primesvt_core.__file__).parent / room.kind).glob("*.py")}
    assert [*room.available()] == sorted(name for name in files if not name.startswith("_"))
    for key in room.available():
        assert isinstance(room.load(key), room.record)


def test_there_is_a_registry_of_every_kind() -> None:
    assert [room.kind for room in ALL] == [*registry.ATTRIBUTES]
    assert [room.record.__name__.upper().removeprefix("ANY") for room in ALL] == [*registry.ATTRIBUTES.values()]


@pytest.mark.parametrize("key", ["", "_base", "os", "../spec", "spikformer.torch", "Spikformer"])
def test_other_names_are_no_plug_ins_and_the_error_lists_those(key: str) -> None:
    with pytest.raises(UnknownPlugin, match="spikformer") as refusal:
        FAMILIES.load(key)
    assert refusal.value.error_code == "unknown_plugin"


def test_listing_loads_none_of_them() -> None:
    code = (
        "import sys; from primesvt_core import registry, spec;"
        "[registry.available(kind) for kind in registry.ATTRIBUTES];"
        "spec.parse({'budget': {'max_accuracy_drop': 0.1}});"
        "import primesvt_core.criteria, primesvt_core.exporters, primesvt_core.repairs, primesvt_core.families;"
        "sys.exit('torch' in sys.modules or any('families.s' in m for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_in_a_named_folder_are_plug_ins(folder: Path) -> None:
    (folder / "own_sum.py").write_text(CRITERION.format(needs=""))
    (folder / "_shared.py").write_text("")
    assert {"l2", "own_sum"} < {*CRITERIA.available()}
    assert CRITERIA.load("own_sum").needs == frozenset()


def test_what_an_installed_package_offers_is_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_sum.py").write_text(CRITERION.format(needs=""))
    install(tmp_path, monkeypatch, "acme", "own_sum = acme_sum:CRITERION")
    assert {"l2", "own_sum"} < {*CRITERIA.available()}
    assert CRITERIA.load("own_sum").score.__module__ == "acme_sum"


def test_a_key_of_two_places_is_refused_with_both(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "l2.py").write_text(CRITERION.format(needs=""))
    with pytest.raises(SpecError) as refusal:
        CRITERIA.available()
    assert str(folder / "l2") in refusal.value.message
    assert str(Path(primesvt_core.__file__).parent / "criteria" / "l2") in refusal.value.message
    (folder / "l2.py").rename(folder / "own_sum.py")
    install(tmp_path / "site", monkeypatch, "acme", "own_sum = acme_sum:CRITERION")
    with pytest.raises(SpecError, match=r"own_sum and acme_sum:CRITERION of acme 2\.1"):
        CRITERIA.load("l2")


@pytest.mark.parametrize("key", ["own-sum", "_own", "own sum"])
def test_entry_points_whose_names_are_no_keys_are_refused(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "acme", f"{key} = acme_sum:CRITERION")
    with pytest.raises(SpecError, match=rf"of acme 2\.1 offers '{key}'"):
        CRITERIA.available()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "CRITERION"),
        ("CRITERION = print", r"is a builtin_function_or_method; a Criterion is needed"),
        ("import no_such_module", "no_such_module"),
        ("from primesvt_core.criteria import Criterion as CRITERION", "is a type; a Criterion is needed"),
    ],
)
def test_what_is_no_such_record_is_refused_with_its_place(content: str, reason: str, folder: Path) -> None:
    (folder / "own_wrong.py").write_text(content)
    with pytest.raises(SpecError, match=reason) as refusal:
        CRITERIA.load("own_wrong")
    assert str(folder / "own_wrong") in refusal.value.message


def test_a_plug_in_that_needs_what_nobody_gathers_is_refused(folder: Path) -> None:
    needs = ", needs=frozenset({Need.LABELS, 'tides', 'dreams'})"
    (folder / "own_sum.py").write_text(CRITERION.format(needs=needs))
    with pytest.raises(SpecError, match=r"'own_sum' .* needs dreams, tides, which"):
        CRITERIA.load("own_sum")


@pytest.mark.parametrize("named", ["criteria", "/no/such/folder"])
def test_only_folders_with_absolute_paths_hold_plug_ins(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_CRITERIA", named)
    with pytest.raises(SpecError, match="absolute path"):
        CRITERIA.available()
