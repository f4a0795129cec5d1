"""Every code block of every document is run by a test, read by the code that it is for, or on `docs/not-tried.md`.

`WAYS` says which, for every block; a block that is new or changed fails until it is there. Commands and options of all
blocks, also of those that are not tried, must be ones that there are.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from typer.core import TyperGroup

import primesvt
from primesvt_client.commands.command_line import command_line
from primesvt_client.schemas.jobs import NewJobBody
from primesvt_client.spec import CompressionSpec
from primesvt_core.library.asking import KEYWORDS
from primesvt_core.method.given_plan import plan_of
from tests.support.page_blocks import ROOT, Block, blocks, commands
from tests.support.page_walks import Walk, check_target

BLOCKS = blocks()
NOT_TRIED = ROOT / "docs" / "not-tried.md"


def spec_of(block: Block) -> None:
    CompressionSpec.model_validate(yaml.safe_load(block.text))


def rates_of(block: Block) -> None:
    assert plan_of(yaml.safe_load(block.text), block.page).rates


def jobs_of(block: Block) -> None:
    for line in block.text.splitlines():
        NewJobBody.model_validate_json(line.replace("…", "0" * 26))  # of an id


def json_of(block: Block) -> None:
    json.loads(block.text)


def toml_of(block: Block) -> None:
    tomllib.loads(block.text)


def targets_of(block: Block) -> None:
    for line in commands(block.text):
        name, *words = line.split()
        assert name == "make"
        check_target(words)


def storage_of(block: Block) -> None:
    walk = Walk()
    walk.follow([block])
    assert {name for name in walk.variables if not name.startswith("AWS_")} <= settings_names()


def settings_names() -> set[str]:
    return set(re.findall(r"^\| `(PRIMESVT_\w+)`", (ROOT / "docs" / "deployment.md").read_text(), re.MULTILINE))


def calls_of(block: Block) -> None:
    """Functions of the library are called with arguments that they have."""
    calls = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)]
    named = [(call, call.func.attr) for call in calls if ast.unparse(call.func).startswith("primesvt.")]  # type: ignore[attr-defined]
    assert named
    for call, name in named:
        declared = inspect.signature(getattr(primesvt, name)).parameters
        options = KEYWORDS.keys() if "options" in declared or "assumptions" in declared else set()
        assert {keyword.arg for keyword in call.keywords} <= {*declared, *options}, name
        assert len(call.args) <= sum(one.kind is one.POSITIONAL_OR_KEYWORD for one in declared.values()), name


def shown_only(block: Block) -> None:
    """A drawing, or a pattern: nothing that anybody could run."""
    assert not block.is_commands


Check = Callable[[Block], None]
DATA, OWN = "tests/architecture/test_data_page.py", "tests/conformance/test_own_package.py"
DEVICE, OPERATOR = "tests/architecture/test_device_page.py", "tests/e2e/test_operators_walk.py"
HERE, THOROUGH = "tests/architecture/test_pages.py", "tests/e2e/test_page_walks.py"
WAYS: dict[tuple[str, str], Check | str] = {
    ("README.md", "make demo # the whole way through the real service, on the e"): targets_of,
    ("README.md", ". .venv/bin/activate"): THOROUGH,
    ("README.md", "budget: {max_accuracy_drop: 0.03, min_memory_saving: 0.25}"): spec_of,
    ("README.md", "primesvt export runs/digits/model.safetensors --to onnx --ou"): DEVICE,
    ("README.md", "import primesvt"): calls_of,
    ("README.md", "primesvt serve # prints its address and the first API key"): THOROUGH,
    ("docs/access.md", 'primesvt keys create "nightly builds" --scope jobs:write --s'): HERE,
    ("docs/access.md", "psvt_[0-9a-z]{26}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}"): HERE,
    ("docs/access.md", "primesvt members add ann@example.org --role admin # prints a"): HERE,
    ("docs/access.md", "primesvt teams quota NAME --storage-bytes 1000000000000 --un"): HERE,
    ("docs/architecture.md", "client ── HTTP ──> app.api ─┐ ┌─> worker.jobs, worker.upload"): shown_only,
    ("docs/deployment.md", "primesvt serve --data-dir /var/lib/primesvt"): "tests/e2e/test_commands.py",
    ("docs/deployment.md", "make setup"): targets_of,
    ("docs/deployment.md", "export PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres"): OPERATOR,
    ("docs/deployment.md", "umask 077"): OPERATOR,
    ("docs/deployment.md", 'psql --quiet --command "CREATE ROLE primesvt LOGIN PASSWORD'): OPERATOR,
    ("docs/deployment.md", "PRIMESVT_DATA_DIR=$PWD/api uvicorn --factory app.main:create"): OPERATOR,
    ("docs/deployment.md", "primesvt teams create vision --json > team.json"): OPERATOR,
    ("docs/deployment.md", "primesvt verify RESULTS --key ed25519:…"): THOROUGH,
    ("docs/deployment.md", '{"CORSRules": [{"AllowedOrigins": ["https://primesvt.example'): json_of,
    ("docs/fine-tuning.md", "primesvt compress examples/spikformer-digits.pth.tar --data"): THOROUGH,
    ("docs/fine-tuning.md", "primesvt compress model.pth --data DATA --train-data TRAIN -"): THOROUGH,
    ("docs/fine-tuning.md", "budget: {max_accuracy_drop: 0.03}"): spec_of,
    ("docs/how-to/ci.md", "export PRIMESVT_SERVER=https://primesvt.example.org PRIMESVT"): THOROUGH,
    ("docs/how-to/ci.md", "import json"): HERE,
    (
        "docs/how-to/data-sets.md",
        "primesvt datasets add imagenet-val /srv/data/imagenet-val.ta",
    ): "tests/app/commands/test_datasets.py",
    ("docs/how-to/event-data.md", "primesvt inspect model.pth --time-steps 4"): HERE,
    ("docs/how-to/event-data.md", "primesvt evaluate model.pth --data frames --time-steps 4"): HERE,
    ("docs/how-to/event-data.md", "primesvt compress model.pth --data frames --time-steps 4 --m"): THOROUGH,
    ("docs/how-to/event-data.md", "primesvt export runs/events/model.safetensors --to onnx --ou"): THOROUGH,
    ("docs/how-to/s3.md", "export PRIMESVT_STORAGE_URL=s3://bucket/primesvt"): storage_of,
    ("docs/how-to/teams.md", "primesvt teams create vision"): HERE,
    ("docs/operations.md", 'python -c "import sqlite3, sys; sqlite3.connect(sys.argv[1])'): "tests/app/test_backup.py",
    (
        "docs/operations.md",
        "primesvt doctor # versions, extras, threads; database, stora",
    ): "tests/core/diagnosis/test_doctor.py",
    ("docs/plans.md", "primesvt compress first.pth --data DATA --max-accuracy-drop"): THOROUGH,
    ("docs/plans.md", "block.*.mlp.*: 0.5"): rates_of,
    ("docs/plans.md", "primesvt retarget runs/first --max-accuracy-drop 0.02 --out"): THOROUGH,
    ("docs/plans.md", "primesvt submit --parent JOB --max-accuracy-drop 0.02 --wait"): THOROUGH,
    ("docs/plans.md", '{"parent_id": "job_…", "spec": {"budget": {"max_accuracy_dro'): jobs_of,
    ("docs/python.md", "import primesvt"): calls_of,
    ("docs/python.md", "import numpy as np"): THOROUGH,
    ("docs/python.md", "def same_animal(logits, label): # logits (num_classes,) of o"): calls_of,
    ("docs/quick-start.md", "make demo"): targets_of,
    ("docs/quick-start.md", ". .venv/bin/activate"): THOROUGH,
    ("docs/quick-start.md", "import torch"): THOROUGH,
    ("docs/quick-start.md", "primesvt serve"): "tests/e2e/test_commands.py",
    ("docs/quick-start.md", "export PRIMESVT_SERVER=http://127.0.0.1:8000 PRIMESVT_API_KE"): THOROUGH,
    ("docs/results.md", "primesvt compress examples/spikformer-digits.pth.tar --data"): THOROUGH,
    ("docs/tutorial.md", "primesvt retarget runs/mine --max-accuracy-drop 0.08 --out r"): THOROUGH,
    ("docs/webhooks.md", '{"type": "job.succeeded", "timestamp": "2026-11-24T12:00:00.'): json_of,
    ("docs/webhooks.md", "import base64"): "tests/worker/test_webhook_sender.py",
}
WHOLE_PAGES = {
    "docs/client.md": "tests/architecture/test_client_page.py",
    "docs/data.md": DATA,
    "docs/device.md": DEVICE,
    "docs/families.md": OWN,
    "docs/integer.md": DEVICE,
    "docs/plugins.md": OWN,
    "docs/python-functions.md": "docs/generate.py",
    "docs/tutorial.md": HERE,
}
"""Pages all of whose blocks one test runs or reads, or that are made from the code, those aside that `WAYS` names."""


def listed() -> dict[tuple[str, str], str]:
    """What `docs/not-tried.md` says: why, by page and first line of the block."""
    rows = re.findall(r"^\| \[(\S+)\]\(\S+\) \| `+ ?(.+?) ?`+ \| (.+) \|$", NOT_TRIED.read_text(), re.MULTILINE)
    return {(page, first): why for page, first, why in rows}


def way_of(block: Block) -> Check | str | None:
    return WAYS.get(block.key) or WHOLE_PAGES.get(block.page)


def test_every_block_is_run_read_or_listed_as_not_tried() -> None:
    keys = [block.key for block in BLOCKS if block.page not in WHOLE_PAGES]
    assert len(keys) == len({*keys}), "two blocks of one page begin alike"
    without = {block.key for block in BLOCKS if way_of(block) is None}
    assert without == listed().keys()
    assert all(len(why) > 10 for why in listed().values())


def test_nothing_is_named_that_no_page_has() -> None:
    assert WAYS.keys() <= {block.key for block in BLOCKS}
    assert WHOLE_PAGES.keys() <= {block.page for block in BLOCKS}


def test_tests_that_are_named_are_there_and_name_the_page() -> None:
    named = {(block.page, way) for block in BLOCKS if isinstance(way := way_of(block), str)}
    for page, test in named:
        text = (ROOT / test).read_text(encoding="utf-8")
        # Of a command of the service the test says the command, not the page.
        assert Path(page).name in text or '"serve"' in text or "VACUUM INTO" in text, (page, test)


@pytest.mark.parametrize("key", [key for key, way in WAYS.items() if callable(way)], ids=" ".join)
def test_a_block_is_what_its_readers_take(key: tuple[str, str]) -> None:
    [block] = [block for block in BLOCKS if block.key == key]
    check = WAYS[key]
    assert callable(check)
    check(block)


def test_commands_and_options_of_all_blocks_are_ones_that_there_are() -> None:
    root = typer.main.get_command(command_line())
    found = 0
    for block in BLOCKS:
        for line in commands(block.text) if block.language in ("", "sh") else ():
            name, *words = shlex.split(line.replace("[…]", "")) if line.startswith("primesvt ") else ("",)
            if name:
                check_words(root, words, f"{block.page}:{block.line}: {line}")
                found += 1
    assert found > 40


def check_words(command: object, words: list[str], what: str) -> None:
    if words and words[0] in OF_ALL:
        return
    while isinstance(command, TyperGroup):
        assert words, what
        assert words[0] in command.commands, what
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts}  # type: ignore[attr-defined]
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= options, f"{what}: there is no {', '.join(sorted(given - options))}"


def of(page: str) -> list[Block]:
    return [block for block in BLOCKS if block.page == page]


OF_ALL = ("--install-completion", "--show-completion")
"""Options of the program itself."""

SPLITS = ("--search-images", "20", "--confirmation-images", "75")
QUICK = {
    "compress": ("--preset", "paper", "--rates", "0.1,0.3", "--accept-unproven", *SPLITS),
    "prune": ("--preset", "paper", *SPLITS),
}
"""Options that make a compression one of seconds; the commands as they are, are run by the thorough tests."""

IMAGES = 110
"""As few as prove the drop that the tutorial allows."""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and data under the names that the pages use."""
    shutil.copy(ROOT / "examples" / "spikformer-digits.pth.tar", tmp_path / "model.pth")
    with np.load(ROOT / "examples" / "digits.npz") as digits:
        np.savez(tmp_path / "data.npz", images=digits["images"][:IMAGES], labels=digits["labels"][:IMAGES])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_can_be_followed(work: Path) -> None:
    walk = Walk(more=QUICK, skip=("primesvt retarget",))  # of the paper preset there is no other budget
    walk.follow(of("docs/tutorial.md"))
    assert (work / "full.pth").is_file()
    assert (work / "small.onnx").is_file()
    assert json.loads((work / "runs/by-plan/report.json").read_text())["verdict"] in (
        "met",
        "not_proven",
        "floor_missed",
    )


def test_event_data_are_read_as_the_page_says(work: Path) -> None:
    with np.load("data.npz") as digits:
        for number, (image, label) in enumerate(zip(digits["images"][:40], digits["labels"], strict=False)):
            folder = work / "frames" / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(folder / f"{number}.npz", frames=np.repeat(image[None] / np.float32(255), 4, axis=0))
    Walk().follow(of("docs/how-to/event-data.md")[:2])


def test_teams_and_keys_are_made_as_the_pages_say(tmp_path: Path) -> None:
    walk = Walk(variables={"PRIMESVT_DATA_DIR": str(tmp_path / "data")})
    walk.follow(of("docs/how-to/teams.md"))
    keys, pattern, members, quota = of("docs/access.md")
    walk = Walk(instead={"NAME": "vision"}, variables=walk.variables)
    walk.follow([keys])
    assert len(re.findall(pattern.text.strip(), "".join(done.stdout for done in walk.done))) >= 2  # made, and rotated
    # Who has joined may have a new password; nobody has by these commands alone.
    walk.skip = ("primesvt members password",)
    walk.follow([members, quota])


@pytest.mark.parametrize("verdict", ["met", "not_proven"])
def test_ci_fails_unless_the_budget_is_met(verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [program] = [block for block in of("docs/how-to/ci.md") if block.label == "check_verdict.py"]
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "report.json").write_text(json.dumps({"verdict": verdict}))
    monkeypatch.chdir(tmp_path)
    if verdict == "met":
        Walk().follow([program])
    else:
        with pytest.raises(SystemExit, match="not_proven: see"):
            Walk().follow([program])
