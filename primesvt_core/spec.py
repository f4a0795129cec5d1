"""The constraint spec, checked against the plug-ins that are installed.

Its fields are declared once, in `primesvt_client.spec`. Nothing here needs torch, so that the API validates a spec for
real.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue, ValidationInfo, field_validator, model_validator

from primesvt_client import spec as declared
from primesvt_client.inputs import Input, input_fields
from primesvt_client.spec import (
    Budget,
    ClassReading,
    FineTuning,
    PixelReading,
    PreprocessingOverrides,
    SplitSizes,
    read_document,
)
from primesvt_client.spec_types import ParameterValue
from primesvt_core import registry
from primesvt_core.policies import POLICIES

__all__ = [
    "Budget",
    "ClassReading",
    "CompressionSpec",
    "FineTuning",
    "PixelReading",
    "PreprocessingOverrides",
    "SplitSizes",
    "json_schema",
    "parse",
    "plugin_choices",
    "read_document",
]


PLUGINS: Mapping[str, Input] = {
    field.place: field.how for field in input_fields(declared.CompressionSpec) if field.how.plugins
}
"""Fields that name a plug-in."""


def plugin_choices(how: Input) -> tuple[str, ...]:
    """What a field that names a plug-in may be.

    Raises:
        SpecError: if the plug-ins of that kind cannot be listed.
    """
    return (*how.others, *registry.available(how.plugins))


class CompressionSpec(declared.CompressionSpec):
    """One constraint spec."""

    @field_validator("policy_params")
    @classmethod
    def _known_parameters(cls, given: dict[str, ParameterValue], info: ValidationInfo) -> dict[str, ParameterValue]:
        key = info.data.get("policy")
        if key in POLICIES.available():
            POLICIES.load(key).params.model_validate(given)  # whose errors become this field's
        return given

    @model_validator(mode="after")
    def _known_plugins(self) -> CompressionSpec:
        for name, how in PLUGINS.items():
            key, there = getattr(self, name), plugin_choices(how)
            if key not in there:
                raise ValueError(f"no {how.plugins} called {key!r}; there are: {', '.join(there)}")
        return self


def parse(document: Mapping[str, JsonValue]) -> CompressionSpec:
    """Validate a spec.

    Raises:
        SpecError: naming every field that is wrong.
    """
    return declared.parse_as(CompressionSpec, document)


def json_schema() -> str:
    """The published JSON Schema of a constraint spec."""
    return json.dumps(CompressionSpec.model_json_schema(), indent=2, sort_keys=True) + "\n"
