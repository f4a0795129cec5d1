"""A fork in a package of one's own, from the documentation: checked, broken in many ways, trained and compressed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

import primesvt
from primesvt_core import registry
from primesvt_core.checking import computing
from primesvt_core.checking.run import CHECKS, check_family
from primesvt_core.checking.subject import CheckFailed, Subject, load_family
from primesvt_core.cli.checking import check_family as command
from primesvt_core.families import FAMILIES
from primesvt_core.families.spikformer import BlockConfig
from primesvt_core.intake.inspect import inspect
from primesvt_core.testing.models import TINY
from tests.support import tiny
from tests.support.embedded import EXAMPLES
from tests.support.pages import shown
from tests.support.plugins import refound
from tests.support.thorough import times

SOURCE = shown("families.md")["acme/branched.py"]
LONGEST = 60
STEPS = 40
WIDE = {
    "stem": (8, 16, 24), "embed_dim": 32, "blocks": (BlockConfig(qk_dim=32, v_dim=32, mlp_dim=48),) * 2,
    "branch_dims": (20, 12), "num_heads": 4, "num_classes": 10, "time_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The fork, installed: a package and the entry point that offers it."""
    folder = tmp_path_factory.mktemp("site")
    facts = folder / "acme_fork-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-fork\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[primesvt.families]\nbranched = acme_fork.branched:FAMILY\n")
    (folder / "acme_fork").mkdir()
    (folder / "acme_fork" / "__init__.py").touch()
    (folder / "acme_fork" / "branched.py").write_text(SOURCE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        with refound():
            yield folder / "acme_fork" / "branched.py"
    for name in [name for name in sys.modules if name.startswith("acme_fork")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def checkpoint(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for a moment on digits, as its own program would, at widths of its own."""
    module: Any = import_module("acme_fork.branched")
    torch.manual_seed(0)
    model = module.Branched(module.Config.model_validate({**TINY.model_dump(), **WIDE})).train()
    with np.load(EXAMPLES / "digits.npz") as found:
        x, y = torch.from_numpy(found["images"])[:450].float() / 255, torch.from_numpy(found["labels"])[:450].long()
    optimizer, chance = torch.optim.AdamW(model.parameters(), 0.01), torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        chosen = torch.randint(len(x), (64,), generator=chance)
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(model(x[chosen]), y[chosen]))
        optimizer.step()
    path = tmp_path_factory.mktemp("fork") / "branched.pth"
    torch.save({"model": model.state_dict(), "args": {"time_steps": 2, "num_heads": 4, "image_size": 16}}, path)
    return path


def test_the_recipe_is_short() -> None:
    assert len(SOURCE.splitlines()) < LONGEST  # blank ones and comments among them


def test_the_fork_is_known_and_passes_every_check(
    package: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "RANDOM_PLANS", times(5, computing.RANDOM_PLANS))
    assert inspect(checkpoint).family_key == "branched"
    found = [*check_family(package, checkpoint, {})]
    assert [(one.check, one.detail) for one in found if not one.holds] == []
    assert len(found) == len(CHECKS) + 1
    details = {one.check: one.detail for one in found}
    assert "Spikformer" in details["it knows its own models alone"]


def test_models_of_the_family_that_it_was_made_from_are_still_theirs(package: Path, tmp_path: Path) -> None:
    torch.save({"model": tiny.model().state_dict()}, tmp_path / "plain.pth")
    assert inspect(tmp_path / "plain.pth").family_key == "spikformer"
    [failed] = check_family(package, tmp_path / "plain.pth", {})
    assert not failed.holds
    assert "is taken for Spikformer" in failed.detail


@pytest.mark.thorough
def test_it_is_compressed(checkpoint: Path, tmp_path: Path) -> None:
    report = primesvt.compress(
        checkpoint, EXAMPLES / "digits.npz", tmp_path / "out", max_accuracy_drop=0.4, min_memory_saving=0.05,
        rates=(0.5,), criterion="l2", repair="none", search_images=60, confirmation_images=120,
    )  # fmt: skip
    assert report.family == "branched"
    assert {group.name for group in report.groups} >= {"block.0.branch", "block.1.branch", "embedding"}
    found = primesvt.evaluate(tmp_path / "out" / "model.safetensors", EXAMPLES / "digits.npz")
    assert (found.family, found.accuracy) == ("branched", report.pruned.accuracy)


END = "        )\n    ],\n)"
BROKEN = {
    "silenced = sliced, group by group": (END, END + "\nFAMILY = replace(FAMILY, groups=base.groups)"),
    "groups cover what makes and reads their channels": (
        END, END + "\nmade = FAMILY.groups"
        "\nFAMILY = replace(FAMILY, groups=lambda config: (*made(config)[:-1], cut(made(config)[-1])))",
    ),
    "layers hold every weight": (END, END + "\nFAMILY = replace(FAMILY, layers=base.layers)"),
    "groups are disjoint and named after the config": (
        END, END + "\nmade = FAMILY.groups"
        "\nFAMILY = replace(FAMILY, groups=lambda config: [replace(one, width='embed_dim') for one in made(config)])",
    ),
    "it knows its own models alone": (END, END + "\nFAMILY = replace(FAMILY, identify=base.identify)"),
    "unused tensors": (", self.branch.define(flow, x))", ")"),
}  # fmt: skip


CUT = "\n\ndef cut(group):\n    return replace(group, slices=group.slices[:-1])\n"


@pytest.fixture
def added() -> Iterator[None]:
    """Forget files that a test has added."""
    before = dict(registry.ADDED)
    yield
    registry.ADDED.clear()
    registry.ADDED.update(before)
    registry.sources.cache_clear()
    for name in ("aaa_broken", "branched"):
        sys.modules.pop(f"primesvt_core.families.{name}", None)


@pytest.mark.parametrize("name", sorted(BROKEN))
@pytest.mark.usefixtures("package", "added")
def test_what_is_wrong_is_found_by_name(name: str, checkpoint: Path, tmp_path: Path) -> None:
    old, new = BROKEN[name]
    assert old in SOURCE
    broken = "from dataclasses import replace\n" + SOURCE.replace(old, new) + CUT
    (tmp_path / "aaa_broken.py").write_text(broken, encoding="utf-8")
    key = load_family(tmp_path / "aaa_broken.py")  # which is asked before the one that is right
    subject = Subject(key=key, inspection=inspect(checkpoint))
    assert subject.inspection.family_key == key
    with pytest.raises(CheckFailed):
        CHECKS[name](subject)


@pytest.mark.usefixtures("package", "added")
def test_a_file_is_checked_in_the_place_of_what_was_installed_of_it_before(tmp_path: Path) -> None:
    for folder in ("changed", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "branched.py").write_text(SOURCE.replace("Branched Spikformer", folder))
    assert load_family(tmp_path / "changed" / "branched.py") == "branched"
    assert FAMILIES.load("branched").title == "changed"
    with pytest.raises(CheckFailed, match=r"called 'branched' already; rename branched\.py"):
        load_family(tmp_path / "other" / "branched.py")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("FAMILY = 3", "is a int"),
        ("import nothing_of_that_name", "cannot be run: ModuleNotFoundError"),
        ("1 / 0", "Zero"),
    ],
)
@pytest.mark.usefixtures("added")
def test_a_file_that_is_no_family_is_told(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "aaa_broken.py").write_text(content)
    [failed] = check_family(tmp_path / "aaa_broken.py", EXAMPLES / "spikformer-digits.pth.tar", {})
    assert (failed.holds, told in failed.detail) == (False, True)


def test_the_command_says_it_to_people_and_to_machines(package: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    torch.save({"model": tiny.model().state_dict()}, tmp_path / "plain.pth")
    asked = [str(package), "--checkpoint", str(tmp_path / "plain.pth")]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 1
    document = json.loads(done.output)
    assert (document["holds"], document["checks"][0]["holds"]) == (False, False)
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 1
    assert "1 of 1 checks failed" in told.output
