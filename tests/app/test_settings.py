from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.settings import Settings, WrongSettings, refuse_shared_folders


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
