from __future__ import annotations

from app.settings import Settings


def test_every_setting_is_described() -> None:
    assert all(field.description for name, field in Settings.model_fields.items() if name != "model_config")
