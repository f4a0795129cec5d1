"""What the code never does, whatever comment stands beside it: run what a file says, or hand a text to a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("app", "worker", "primesvt_core", "migrations", "examples", "docs", "bench")
MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
)
CALLS = frozenset({
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.jit.load", "torch.hub.load",
    "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader", "tempfile.mktemp",
    "Markup", "markupsafe.Markup",
})  # fmt: skip
METHODS = frozenset({"extractall", "unsafe_load"})
"""Whatever it is called on: archives are read member by member."""

KEYWORDS = {"shell": True, "weights_only": False, "allow_pickle": True, "verify": False, "autoescape": False}


def banned(source: str) -> Iterator[str]:
    """What a module does that none may, each with its line."""
    for node in ast.walk(ast.parse(source)):
        for what in _of(node):
            yield f"{getattr(node, 'lineno', 0)}: {what}"


def _of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (name.name for name in names if name.name.split(".")[0] in MODULES)
        case ast.ImportFrom(module=str(module), names=names):
            yield from sorted({module, *(f"{module}.{name.name}" for name in names)} & (MODULES | CALLS))
        case ast.Call(func=called, args=arguments):
            name = ast.unparse(called)
            if name in CALLS or name.rpartition(".")[2] in METHODS:
                yield name
            if name.endswith("import_module"):
                yield from sorted({ast.literal_eval(a) for a in arguments if isinstance(a, ast.Constant)} & MODULES)
        case ast.keyword(arg=str(name), value=ast.Constant(value=value)) if KEYWORDS.get(name, ...) is value:
            yield f"{name}={value}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_does_it(folder: str) -> None:
    modules = sorted((ROOT / folder).rglob("*.py"))
    assert modules
    assert {str(path.relative_to(ROOT)): found for path in modules if (found := [*banned(path.read_text())])} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "import pickle as p", "from pickle import loads", "from torch import load", "torch.load(path)",
        "torch.load(path, weights_only=True)", "read(path, weights_only=False)", "np.load(path, allow_pickle=True)",
        "eval(text)", "exec(text)", "run(command, shell=True)", "os.system(command)", "yaml.load(text, Loader=L)",
        "from yaml import unsafe_load", "archive.extractall(folder)", "import_module('pickle')",
        "httpx.get(address, verify=False)",
    ],
)  # fmt: skip
def test_the_lint_sees_it(source: str) -> None:
    assert [*banned(source)]


@pytest.mark.parametrize(
    "source", ["model.eval()", "re.compile(text)", "json.load(file)", "import pickletools", "run(command, shell=False)"]
)
def test_the_lint_sees_nothing_where_nothing_is(source: str) -> None:
    assert [*banned(source)] == []


MARKS = ("| safe", "|safe", "autoescape false", " onclick=", " onload=", "javascript:", "hx-on")


def test_no_template_lets_a_text_be_more_than_text() -> None:
    templates = [*ROOT.glob("app/**/templates/*.html"), *ROOT.glob("primesvt_core/**/templates/*.html")]
    assert len(templates) > 5
    pages = {path.name: path.read_text() for path in templates}
    assert {name: mark for name, text in pages.items() for mark in MARKS if mark in text} == {}
    # What the pages' own content security policy would not let through anyway.
    inline = {path.name for path in templates if "app" in path.parts and (' style="' in path.read_text())}
    assert inline == set()
