"""The service on containers, as far as it can be seen without an engine that runs them."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from app.settings import FROM_FILES, PREFIX, Settings
from release.images import ROOT
from tests.support.validators import by_builtin_schema

COMPOSE, OIDC = ROOT / "docker-compose.yml", ROOT / "docker-compose.oidc.yml"
MAKE_SECRETS = ROOT / "deploy" / "compose" / "make-secrets"
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
SETTINGS |= {f"{PREFIX}{name.upper()}_FILE" for name in FROM_FILES}
OF_COMPOSE = {
    "PRIMESVT_PORT", "PRIMESVT_VERSION", "PRIMESVT_SECRETS", "PRIMESVT_API_MEMORY", "PRIMESVT_WORKER_MEMORY",
    "PRIMESVT_CUDA_INDEX",
}  # fmt: skip
GPU_WORKERS = tuple(f"worker-gpu-{number}" for number in range(8))
OURS = ("api", "worker", *GPU_WORKERS, "reconciler")
VARIABLE = re.compile(r"^([A-Z0-9_]+)=(.*)$", re.MULTILINE)
LIMITS = {
    "REQUESTS_PER_MINUTE", "SIGN_IN_ATTEMPTS", "CHILD_MEMORY_BYTES", "VALIDATION_MEMORY_BYTES", "TEAM_GPU_MINUTES",
}  # fmt: skip


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    subprocess.run([MAKE_SECRETS, "secrets"], cwd=tmp_path, check=True)
    return tmp_path / "secrets"


def test_the_files_are_what_compose_specifies(tmp_path: Path) -> None:
    done = by_builtin_schema("compose-spec", COMPOSE, OIDC)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(COMPOSE.read_text().replace("read_only: true", "read_only: [true]"))
    assert by_builtin_schema("compose-spec", wrong).returncode == 1


def test_services_use_settings_that_exist(compose: dict[str, Any]) -> None:
    for name in OURS:
        used = {key for key in compose["services"][name]["environment"] if key.startswith(PREFIX)}
        assert used
        assert used <= SETTINGS
    assert yaml.safe_load(OIDC.read_text())["services"]["api"]["environment"].keys() <= SETTINGS


def test_the_example_environment_has_every_variable() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", COMPOSE.read_text() + OIDC.read_text()))
    told = {name for name, _ in VARIABLE.findall((ROOT / ".env.example").read_text())}
    assert asked == told
    assert {name for name in asked if name.startswith(PREFIX)} <= SETTINGS | OF_COMPOSE


def test_the_example_environment_has_the_files_own_defaults() -> None:
    told = dict(VARIABLE.findall((ROOT / ".env.example").read_text()))
    for name, default in re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", COMPOSE.read_text() + OIDC.read_text()):
        assert told[name] == default, name


def test_nothing_is_set_twice() -> None:
    # YAML forbids it, and Compose refuses the file; PyYAML would take the last one.
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            assert len(keys) == len(set(keys)), keys
            return super().construct_mapping(node, deep)

    for path in (COMPOSE, OIDC):
        assert Strict(path.read_text()).get_single_data()
    names = [name for name, _ in VARIABLE.findall((ROOT / ".env.example").read_text())]
    assert len(names) == len(set(names))


def test_an_operator_can_name_the_hosts(compose: dict[str, Any]) -> None:
    assert compose["services"]["api"]["environment"]["PRIMESVT_ALLOWED_HOSTS"] == "${PRIMESVT_ALLOWED_HOSTS:-}"


def test_containers_let_limits_be_set_with_the_codes_own_defaults(compose: dict[str, Any]) -> None:
    passed = compose["services"]["api"]["environment"]
    defaults = {name: re.fullmatch(rf"\$\{{{name}:-(.*)\}}", str(value)) for name, value in passed.items()}
    told = {name: found.group(1) for name, found in defaults.items() if found}
    assert {PREFIX + name for name in LIMITS} <= told.keys()
    assert Settings.from_env(told) == Settings()


def test_secrets_are_files_and_stand_nowhere_else(compose: dict[str, Any], secrets: Path) -> None:
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"${{PRIMESVT_SECRETS:-./secrets}}/{name}"}
        assert (secrets / name).is_file(), name
    for name, service in compose["services"].items():
        variables = service.get("environment", {})
        files = {value for key, value in variables.items() if str(value).startswith("/run/secrets/")}
        files |= set(
            re.findall(r"/run/secrets/[\w.]+", json.dumps([service.get("command"), service.get("healthcheck")]))
        )
        assert files == {f"/run/secrets/{secret}" for secret in service.get("secrets", ())}, name
        wrong = {key for key in variables if re.search("PASSWORD|SECRET|KEY|_URL", key) and not key.endswith("_FILE")}
        assert wrong <= {"PRIMESVT_STORAGE_URL", "PRIMESVT_PUBLIC_URL"}, name


def test_what_make_secrets_writes_opens_the_same_doors(secrets: Path, compose: dict[str, Any]) -> None:
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    variables = compose["services"]["api"]["environment"]
    files = {key: str(secrets / Path(str(value)).name) for key, value in variables.items() if key.endswith("_FILE")}
    settings = Settings.from_env(files)
    database = make_url(settings.database_url)
    assert (database.drivername, database.host, database.password) == (
        "postgresql+psycopg", "postgres", made["postgres_password"],
    )  # fmt: skip
    assert settings.broker_url == f"redis://:{made['redis_password']}@redis:6379/0"
    assert made["redis.conf"] == f"requirepass {made['redis_password']}\n"
    [identity] = json.loads(made["s3.json"])["identities"]
    keys = {"accessKey": made["s3_access_key"], "secretKey": made["s3_secret_key"]}
    assert identity["credentials"] == [keys]
    code = "import botocore.session as s; c = s.get_session().get_credentials(); print(c.access_key, c.secret_key)"
    env = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | files
    assert subprocess.check_output([sys.executable, "-c", code], env=env, text=True).split() == [*keys.values()]
    chosen = [made["postgres_password"], made["redis_password"], *keys.values()]
    assert {len(word) for word in chosen} == {48}  # 192 bits each, in hexadecimal
    assert len({*chosen}) == 4


def test_secrets_stay_are_closed_to_others_and_follow_a_change(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o644}  # for a container's own user
    subprocess.run([MAKE_SECRETS, secrets], check=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    (secrets / "redis_password").write_text("other")
    subprocess.run([MAKE_SECRETS, secrets], check=True)
    assert (secrets / "broker_url").read_text() == "redis://:other@redis:6379/0\n"
    (secrets / "redis_password").write_text("a@b")
    done = subprocess.run([MAKE_SECRETS, secrets], check=False, capture_output=True, text=True)
    assert (done.returncode, "need quoting" in " ".join(done.stderr.split())) == (1, True)


def test_only_the_api_is_published_and_only_on_this_machine(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published == ["${PRIMESVT_PORT:-127.0.0.1:8000}:8000"]


def test_what_services_run_and_mount_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]
        for needed in service.get("depends_on", {}):
            assert needed in compose["services"]
    assert compose["services"]["reconciler"]["command"] == ["python", "-m", "worker.reconciler"]
    assert (ROOT / "worker" / "reconciler.py").is_file()
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in OURS:
        service = compose["services"][name]
        wanted = "worker" if name.startswith("worker") else "api"
        assert service["build"]["target"] == wanted
        assert wanted in stages
        assert service["image"].startswith(f"primesvt-{wanted}:")


def test_our_containers_write_to_their_volume_and_to_tmp_alone(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True, name
        assert service["tmpfs"] == ["/tmp:size=64m,mode=1777"]
        assert [volume.split(":")[1] for volume in service["volumes"]] == ["/data"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["environment"]["TMPDIR"] == "/data"  # parts of uploads are larger than what is in memory


def test_every_container_has_a_limit_of_memory(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "mem_limit" not in service] == []


def test_every_worker_with_a_gpu_has_one_of_its_own_and_an_image_of_its_own(compose: dict[str, Any]) -> None:
    seen = []
    for number, name in enumerate(GPU_WORKERS):
        service = compose["services"][name]
        [device] = service["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "device_ids": [str(number)], "capabilities": ["gpu"]}
        assert service["profiles"] == [f"gpu-{number}"]
        assert service["image"] == compose["services"]["worker"]["image"] + "-cuda"
        assert "PRIMESVT_CUDA_INDEX" in service["build"]["args"]["TORCH_INDEX"]
        assert service["environment"]["PRIMESVT_WORKER_DEVICES"] == "cpu,cuda"
        seen += device["device_ids"]
    assert len({*seen}) == len(seen)
    assert compose["services"]["worker"]["environment"]["PRIMESVT_WORKER_DEVICES"] == "cpu"


def test_services_that_stay_have_health_checks_and_start_again(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name != "bucket":  # it makes the bucket and ends
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_the_broker_keeps_and_evicts_nothing_and_wants_a_password(compose: dict[str, Any]) -> None:
    program, configuration, *words = compose["services"]["redis"]["command"]
    assert (program, configuration) == ("valkey-server", "/run/secrets/redis.conf")
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
