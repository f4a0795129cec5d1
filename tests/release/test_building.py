"""The three wheels of what is committed hold what they must; installing and using them is `make test-release`."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import building
from release.stages import ReleaseError

ROOT = Path(__file__).resolve().parents[2]
SERVICE = building.DISTRIBUTIONS[-1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    target = tmp_path_factory.mktemp("release") / "clone"
    building.clone(ROOT, target)
    return target


def test_without_the_dashboards_scripts_there_is_no_wheel_of_the_service(clone: Path, tmp_path: Path) -> None:
    assert not (clone / building.VENDOR).exists()
    building.refuse_to_build_without_scripts(clone, tmp_path)


@pytest.mark.parametrize("distribution", building.DISTRIBUTIONS, ids=lambda one: one.name)
def test_the_sdist_and_the_clone_build_the_same_whole_wheel(
    distribution: building.Distribution, clone: Path, tmp_path: Path
) -> None:
    for name in building.SCRIPTS | building.PAGES if distribution is SERVICE else ():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("// as if it were built")
    wheel = building.build(distribution, clone, tmp_path)
    building.check_contents(distribution, wheel, clone)
    lacking = building.Distribution(distribution.name, distribution.folder, distribution.packages, frozenset({"more"}))
    with pytest.raises(ReleaseError, match="lacks"):
        building.check_contents(lacking, wheel, clone)
