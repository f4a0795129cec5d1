from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import FROM_FILES, PREFIX, Settings, WrongSettings, refuse_shared_folders


def test_every_setting_is_described() -> None:
    assert all(field.description for name, field in Settings.model_fields.items() if name != "model_config")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702, 0o770])
def test_a_folder_that_others_may_write_into_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    for settings in (
        Settings(data_dir=folder),
        Settings(data_dir=tmp_path, storage_url=folder.as_uri()),
    ):
        with pytest.raises(WrongSettings, match=rf"chmod go-w {folder}") as refused:
            refuse_shared_folders(settings)
        assert refused.value.is_input


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o750])
def test_a_folder_that_others_may_read_at_most_is_taken(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    refuse_shared_folders(Settings(data_dir=tmp_path))
    refuse_shared_folders(Settings(data_dir=tmp_path / "is not there yet", storage_url="s3://bucket"))
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, -1)
    with pytest.raises(WrongSettings, match="belongs to another user"):
        refuse_shared_folders(Settings(data_dir=tmp_path))
    os.chown(tmp_path, 0, -1)


@pytest.mark.parametrize("name", FROM_FILES)
def test_a_secret_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    file, variable = tmp_path / "secret", f"{PREFIX}{name.upper()}"
    file.write_text("redis://:s3cret@host/0\n")
    read = Settings.from_env({f"{variable}_FILE": str(file)})
    assert getattr(read, name) == "redis://:s3cret@host/0"
    assert read == Settings.from_env({variable: "redis://:s3cret@host/0"})
    assert Settings.from_env({f"{variable}_FILE": ""}) == Settings()  # Compose passes empty ones on


def test_a_child_gets_what_was_in_the_files_and_may_be_given_something_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("postgresql+psycopg://me:s3cret@host/name")
    inherited = {"PRIMESVT_DATABASE_URL_FILE": str(file)}
    read = Settings.from_env(inherited)
    assert Settings.from_env({**inherited, **read.environment()}) == read
    other = read.model_copy(update={"database_url": ""})
    assert Settings.from_env({**inherited, **other.environment()}).database_url == ""


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"s3cret\nmore", "not one line"),
        (b"s3cret\x00", "not one line"),
        (b"s3cret\xff", "no text in UTF-8"),
        (b"s3cret" * 20_000, "not one line"),
    ],
)
def test_a_file_without_a_secret_is_refused_and_not_quoted(tmp_path: Path, content: bytes | None, wrong: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WrongSettings, match=wrong) as refused:
        Settings.from_env({"PRIMESVT_DATABASE_URL_FILE": str(file)})
    assert f"PRIMESVT_DATABASE_URL_FILE: {file}" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    both = {"PRIMESVT_BROKER_URL": "redis://host", "PRIMESVT_BROKER_URL_FILE": str(tmp_path / "secret")}
    with pytest.raises(WrongSettings, match="PRIMESVT_BROKER_URL and PRIMESVT_BROKER_URL_FILE are both set"):
        Settings.from_env(both)


def test_below_a_volume_that_a_group_may_write_into_the_service_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Kubernetes gives volumes to everybody in the pod, or with ``fsGroup`` to a group."""
    volume = tmp_path / "volume"
    volume.mkdir()
    settings = Settings(data_dir=volume / "primesvt", broker_url="memory://")
    for mode in (0o777, 0o2770, 0o2777):
        volume.chmod(mode)
        refuse_shared_folders(settings)
        with pytest.raises(WrongSettings):
            refuse_shared_folders(Settings(data_dir=volume))
    env = {**os.environ, **settings.environment()}
    code = "import app.main; app.main.create()"
    subprocess.run([sys.executable, "-c", code], env=env, check=True, umask=0o022, capture_output=True)
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) & 0o777 == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in settings.data_dir.rglob("*")} == {0}
