"""What is written down about running the service is true of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import PREFIX, Settings
from primesvt_core import registry

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {PREFIX + name.upper(): field.description for name, field in Settings.model_fields.items()}
OF_COMPOSE = {"PRIMESVT_PORT", "PRIMESVT_VERSION"}
OF_CLIENTS = {"PRIMESVT_SERVER", "PRIMESVT_API_KEY"}
OF_PLUG_INS = {f"{PREFIX}{kind.upper()}" for kind in registry.ATTRIBUTES}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def named(text: str) -> set[str]:
    return set(re.findall(r"PRIMESVT_[A-Z0-9_]+", text))


def test_every_setting_is_documented_with_its_meaning() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    rows = dict(re.findall(r"^\| `(PRIMESVT_\w+)` \| [^|]+ \| (.+) \|$", text, re.MULTILINE))
    assert rows == SETTINGS
    assert named(text) <= SETTINGS.keys() | OF_CLIENTS | OF_PLUG_INS


def test_services_use_settings_that_exist(compose: dict[str, Any]) -> None:
    for name in ("api", "worker", "reconciler"):
        used = {key for key in compose["services"][name]["environment"] if key.startswith(PREFIX)}
        assert used
        assert used <= SETTINGS.keys()
    assert named((ROOT / "Dockerfile").read_text()) <= SETTINGS.keys()


def test_the_example_environment_has_every_variable() -> None:
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / "docker-compose.yml").read_text()))
    told = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked == told
    assert {name for name in asked if name.startswith(PREFIX)} <= SETTINGS.keys() | OF_COMPOSE


def test_the_example_environment_starts_nothing_unchanged() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    values = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    needed = set(re.findall(r"\$\{([A-Z0-9_]+):\?", compose))
    assert needed == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    assert {name: values[name] for name in needed} == dict.fromkeys(needed, "")  # :? refuses what is empty, too


def test_nothing_is_set_twice() -> None:
    # YAML forbids it, and Compose refuses the file; PyYAML would take the last one.
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            assert len(keys) == len(set(keys)), keys
            return super().construct_mapping(node, deep)

    assert Strict((ROOT / "docker-compose.yml").read_text()).get_single_data()
    names = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(names) == len(set(names))


def test_an_operator_can_name_the_hosts(compose: dict[str, Any]) -> None:
    assert compose["services"]["api"]["environment"]["PRIMESVT_ALLOWED_HOSTS"] == "${PRIMESVT_ALLOWED_HOSTS:-}"


LIMITS = {
    "REQUESTS_PER_MINUTE",
    "SIGN_IN_ATTEMPTS",
    "CHILD_MEMORY_BYTES",
    "VALIDATION_MEMORY_BYTES",
    "TEAM_GPU_MINUTES",
}


def test_containers_let_limits_be_set_with_the_codes_own_defaults(compose: dict[str, Any]) -> None:
    passed = compose["services"]["api"]["environment"]
    defaults = {name: re.fullmatch(rf"\$\{{{name}:-(.*)\}}", str(value)) for name, value in passed.items()}
    told = {name: found.group(1) for name, found in defaults.items() if found}
    assert {PREFIX + name for name in LIMITS} <= told.keys()
    assert Settings.from_env(told) == Settings()


def test_no_service_has_a_password_by_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published == ["${PRIMESVT_PORT:-127.0.0.1:8000}:8000"]


def test_what_services_run_and_mount_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]
        for needed in service.get("depends_on", {}):
            assert needed in compose["services"]
    for name, module in (("worker", "worker/__main__.py"), ("reconciler", "worker/reconciler.py")):
        assert compose["services"][name]["command"][:2] == ["python", "-m"]
        assert (ROOT / module).is_file()


@pytest.mark.parametrize(
    "module", ["app.main", "primesvt_client.commands.main", "primesvt_client", "worker.__main__", "worker.reconciler"]
)
def test_processes_that_do_not_compute_load_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'spikingjelly')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_services_that_stay_have_health_checks_and_start_again(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name != "bucket":  # it makes the bucket and ends
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_the_broker_keeps_and_evicts_nothing_and_wants_a_password(compose: dict[str, Any]) -> None:
    command = compose["services"]["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--requirepass"].startswith("${REDIS_PASSWORD:?")


def test_the_image_is_built_of_all_that_the_wheels_are_built_of() -> None:
    build = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[0]
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", build, re.MULTILINE) for word in line.split()}
    assert {"distributions", "primesvt_client", "primesvt_core", "app", "worker", "migrations", "examples"} <= copied
    assert {"constraints.txt", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    commands = re.findall(r"^RUN pip install --no-deps (\S.*)$", build, re.MULTILINE)
    assert commands[0] == "--require-hashes -r requirements.lock"
    assert commands[1].split(" && ")[0].split() == ["./distributions/primesvt-client", "./distributions/primesvt", "."]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not copied & {*ignored}
