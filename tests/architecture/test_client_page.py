"""docs/client.md shows commands that there are, with options that they have, and a workflow that is one."""

from __future__ import annotations

import ast
import inspect
import re
from typing import get_args

import yaml
from fastapi.routing import APIRoute

from app.api import artifacts, events, uploads
from app.api import jobs as api_jobs
from primesvt_client import Client
from primesvt_client.commands import jobs, profiles
from tests.support.pages import DOCS, shown

PAGE = (DOCS / "client.md").read_text(encoding="utf-8")
COMMANDS = {
    "submit": jobs.submit, "status": jobs.status, "download": jobs.download, "list": jobs.list_jobs,
    "profiles add": profiles.add, "profiles list": profiles.list_profiles,
}  # fmt: skip
OF_ALL = {"--install-completion", "--show-completion"}


def options_of(command: object) -> set[str]:
    found: set[str] = set()
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():  # type: ignore[arg-type]
        found.add("--" + name.replace("_", "-"))
        for option in get_args(parameter.annotation)[1:]:
            names = (str(option.default), *(option.param_decls or ()))  # the first one is where typer has it
            found |= {part for one in names for part in one.split("/")}
    return found


def test_every_command_that_is_shown_has_the_options_that_are_shown() -> None:
    joined = PAGE.replace("\\\n", " ")
    lines = re.findall(r"^\s*(?:run: )?primesvt (.+)$", joined, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        words = line.partition("#")[0].split()
        named = next(
            (name for name in sorted(COMMANDS, key=len, reverse=True) if " ".join(words).startswith(name)), None
        )
        given = {word for word in words if word.startswith("--")}
        assert given <= (OF_ALL if named is None else options_of(COMMANDS[named])), line


def test_methods_of_the_client_that_are_shown_take_what_they_are_given() -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    named = [(call, call.func.attr) for call in calls if ast.unparse(call.func).startswith("client.")]  # type: ignore[attr-defined]
    assert len(named) >= 8
    for call, name in named:
        given = {keyword.arg for keyword in call.keywords}
        assert given <= inspect.signature(getattr(Client, name)).parameters.keys(), name


def test_the_workflow_fails_when_the_budget_is_missed() -> None:
    workflow = yaml.safe_load(shown("client.md")[".github/workflows/compress.yml"])
    steps = workflow["jobs"]["compress"]["steps"]
    [submit] = [step["run"] for step in steps if "primesvt submit" in step.get("run", "")]
    assert "--wait --fail-unless met" in submit
    assert not any("continue-on-error" in step for step in steps)


def test_what_curl_asks_is_answered() -> None:
    routes = [
        route for module in (uploads, api_jobs, artifacts, events) for route in module.router.routes
        if isinstance(route, APIRoute)
    ]  # fmt: skip
    joined = PAGE.replace("\\\n", " ").replace("\n       ", " ")
    asked = [line for line in joined.splitlines() if "curl " in line]
    assert len(asked) >= 8
    for line in asked:
        path = "/api/v1" + re.sub(r"\$\w+", "x_0", re.findall(r"\$api(/[^\s\"?]+)", line)[-1])
        sends = " -d " in line or "--data-binary" in line
        method = "POST" if sends else "HEAD" if re.search(r"-\w*I\b", line) else "GET"
        assert any(method in (route.methods or ()) and route.path_regex.match(path) for route in routes), line
