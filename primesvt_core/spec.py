"""The constraint spec, checked against the plug-ins that are installed.

Its fields are declared once, in `primesvt_client.spec`. Nothing here needs torch, so that the API validates a spec for
real.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue, ValidationInfo, field_validator, model_validator

from primesvt_client import spec as declared
from primesvt_client.spec import (
    Budget,
    FineTuning,
    PreprocessingOverrides,
    SplitSizes,
    read_document,
)
from primesvt_core import registry
from primesvt_core.policies import POLICIES

__all__ = [
    "Budget",
    "CompressionSpec",
    "FineTuning",
    "PreprocessingOverrides",
    "SplitSizes",
    "json_schema",
    "parse",
    "read_document",
]


class CompressionSpec(declared.CompressionSpec):
    """One constraint spec."""

    @field_validator("policy_params")
    @classmethod
    def _known_parameters(
        cls, given: dict[str, declared.ParameterValue], info: ValidationInfo
    ) -> dict[str, declared.ParameterValue]:
        key = info.data.get("policy")
        if key in POLICIES.available():
            POLICIES.load(key).params.model_validate(given)  # whose errors become this field's
        return given

    @model_validator(mode="after")
    def _known_plugins(self) -> CompressionSpec:
        for kind, key in (("policies", self.policy), ("criteria", self.criterion)):
            if key not in registry.available(kind):
                raise ValueError(f"no {kind} called {key!r}; there are: {', '.join(registry.available(kind))}")
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
