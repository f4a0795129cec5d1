"""The base of ``deploy/kustomize`` is what Kubernetes takes, and runs what the service demands."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.settings import FROM_FILES, PREFIX, Settings
from primesvt_client.version import __version__
from release.images import ROOT
from tests.support.validators import need_package

FOLDER = ROOT / "deploy" / "kustomize"
KUBERNETES = "1.37"
"""The newest version whose schemas the validator brings along; the kinds used are in none of them deprecated."""

FILES = tuple(sorted(path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"))
OURS = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}{n.upper()}_FILE" for n in FROM_FILES}
OF_OTHERS = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULT_REGION", "XDG_CACHE_HOME", "TMPDIR"}
SECRETS = "/run/secrets/primesvt"


def documents() -> Iterator[dict[str, Any]]:
    for path in FILES:
        yield from yaml.safe_load_all(path.read_text())


def pods() -> dict[str, dict[str, Any]]:
    """What pods are made of, by the name of what makes them."""
    templates = [found for found in documents() if found["kind"] in ("Deployment", "Job")]
    return {found["metadata"]["name"]: found["spec"]["template"]["spec"] for found in templates}


POD_NAMES = tuple(sorted(pods()))


def container(pod: dict[str, Any]) -> dict[str, Any]:
    [found] = pod["containers"]
    assert isinstance(found, dict)
    return found


def settings() -> dict[str, str]:
    [found] = [found["data"] for found in documents() if found["kind"] == "ConfigMap"]
    assert isinstance(found, dict)
    return found


def check(document: dict[str, Any]) -> None:
    """Raises where Kubernetes' schema, without fields that it does not name, is not kept."""
    import kubernetes_validate

    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_every_document_keeps_kubernetes_schema() -> None:
    need_package("kubernetes_validate")
    found = [*documents()]
    assert len(found) == 10
    for document in found:
        check(document)


def test_the_validator_finds_what_is_wrong() -> None:
    need_package("kubernetes_validate")
    import kubernetes_validate

    [job] = [found for found in documents() if found["kind"] == "Job"]
    job["spec"]["template"]["spec"]["fsGroups"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="fsGroups"):
        check(job)


def test_kustomize_lists_every_file_and_builds_it() -> None:
    for kustomization in FOLDER.rglob("kustomization.yaml"):
        document = yaml.safe_load(kustomization.read_text())
        listed = {(kustomization.parent / name).resolve() for name in document["resources"]}
        listed |= {(kustomization.parent / name).resolve() for name in document.get("components", ())}
        assert all(path.exists() for path in listed)
        assert {path for path in FILES if path.parent == kustomization.parent} <= listed
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on this machine")
    built = subprocess.check_output([kubectl, "kustomize", FOLDER / "overlays" / "gpu"], text=True)
    found = [*yaml.safe_load_all(built)]
    assert {(one["kind"], one["metadata"]["name"]) for one in found} == {
        (one["kind"], one["metadata"]["name"]) for one in documents()
    }
    for one in found:
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "primesvt"
        if one["kind"] == "Deployment":
            assert (
                one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
            )


def test_there_is_a_pod_of_every_process_with_the_image_of_this_version() -> None:
    migrate = f"primesvt-migrate-{__version__.replace('.', '-')}"
    assert (
        "primesvt-api", migrate, "primesvt-reconciler", "primesvt-worker", "primesvt-worker-gpu",
    ) == POD_NAMES  # fmt: skip
    images = {name: container(pod)["image"] for name, pod in pods().items()}
    api, worker = f"primesvt-api:{__version__}", f"primesvt-worker:{__version__}"
    assert images == {
        "primesvt-api": api, migrate: api, "primesvt-reconciler": api, "primesvt-worker": worker,
        "primesvt-worker-gpu": f"{worker}-cuda",
    }  # fmt: skip
    for pod in pods().values():
        command = container(pod).get("command")
        assert command is None or (command[:2] == ["python", "-m"] and importlib.util.find_spec(command[2]))


def test_settings_exist_and_no_secret_is_among_them() -> None:
    told = settings()
    own = {one["name"]: one["value"] for pod in pods().values() for one in container(pod).get("env", ())}
    assert told.keys() | own.keys() <= OURS | OF_OTHERS
    assert not (told.keys() | own.keys()) & {f"{PREFIX}{name.upper()}" for name in FROM_FILES}
    plain = {key: value for key, value in {**told, **own}.items() if not key.endswith("_FILE")}
    assert Settings.from_env(plain).storage == "s3://primesvt"


@pytest.mark.parametrize("name", POD_NAMES)
def test_secrets_are_files_that_the_pod_can_read(name: str) -> None:
    pod = pods()[name]
    variables = {**settings(), **{one["name"]: one["value"] for one in container(pod).get("env", ())}}
    files = {value for key, value in variables.items() if key.endswith("_FILE")}
    [volume] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert volume["secretName"] == "primesvt"
    assert {f"{SECRETS}/{item['path']}" for item in volume["items"]} == files
    assert volume["defaultMode"] == 0o444  # root's files, of a user who is not root
    assert ("signing_key" in {item["key"] for item in volume["items"]}) is ("worker" in name)


@pytest.mark.parametrize("name", POD_NAMES)
def test_pods_are_closed_and_write_to_their_volumes_alone(name: str) -> None:
    pod = pods()[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert "--uid 10001" in (ROOT / "Dockerfile").read_text()
    writable = {one["mountPath"] for one in container(pod)["volumeMounts"] if not one.get("readOnly")}
    assert writable == {"/data", "/tmp"}
    assert "memory" in container(pod)["resources"]["limits"]
    for key in ("PRIMESVT_DATA_DIR", "XDG_CACHE_HOME"):  # below the volume, which others may write into: not it
        assert settings()[key].startswith("/data/")


def test_pods_that_stay_are_asked_whether_they_live() -> None:
    for name, pod in pods().items():
        if "migrate" not in name:
            probed = container(pod)["livenessProbe"]["httpGet"]
            assert (probed["path"], probed["port"]) == (
                ("/livez", "http") if name == "primesvt-api" else ("/metrics", "metrics")
            )
            assert probed["port"] in {port["name"] for port in container(pod)["ports"]}
    assert container(pods()["primesvt-api"])["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_worker_of_a_gpu_has_one() -> None:
    limits = {name: container(pod)["resources"]["limits"].get("nvidia.com/gpu") for name, pod in pods().items()}
    assert {name: count for name, count in limits.items() if count} == {"primesvt-worker-gpu": "1"}
