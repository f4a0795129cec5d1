"""The inputs of a new job's form, derived from the declaration of the spec's fields and of the policies' parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from app.web.form_values import typed_text
from primesvt_client.inputs import Input, InputField, Kind, Unit, input_fields
from primesvt_client.presets import resolved
from primesvt_core import spec
from primesvt_core.policies import POLICIES, Parameter, policy_parameters

FINEST = 0.01
"""Below an excluded bound of hundredths, what browsers still let people type."""


@dataclass(frozen=True)
class FormField:
    """One input of the form.

    Attributes:
        source: the field of the spec.
        policy: which policy it is a parameter of; empty for fields of every spec.
    """

    source: InputField
    policy: str = ""

    @property
    def name(self) -> str:
        """Name of the input."""
        return f"{self.policy}.{self.source.name}" if self.policy else self.source.name

    @property
    def path(self) -> str:
        """Where its value goes in the spec."""
        return self.source.place

    @property
    def label(self) -> str:
        """What it is called."""
        return f"{self.source.label} ({self.policy})" if self.policy else self.source.label

    @property
    def hint(self) -> str:
        """What it means, and how it is written where that is not plain."""
        return " ".join(filter(None, (self.source.help, WRITTEN.get(self.source.kind))))

    @property
    def unit(self) -> str:
        """What stands behind the input."""
        return self.source.how.unit.value

    @property
    def is_number(self) -> bool:
        """Whether browsers should ask for a number."""
        return self.source.kind in (Kind.INTEGER, Kind.NUMBER)

    @property
    def kind(self) -> Kind:
        """What is typed; bytes are typed as a number of MiB."""
        return Kind.NUMBER if self.source.how.unit is Unit.BYTES else self.source.kind

    @property
    def low(self) -> float | None:
        """The smallest number to type."""
        low = self.source.low
        return 0.0 if low is not None and self.source.how.unit is Unit.BYTES else self._in_unit(low)

    @property
    def high(self) -> float | None:
        """The largest number to type."""
        high = self._in_unit(self.source.high)
        if high is None or not self.source.is_open:
            return high
        return high - (1 if self.source.kind is Kind.INTEGER else FINEST)

    def _in_unit(self, bound: float | None) -> float | None:
        return 100 * bound if bound is not None and self.source.is_fraction else bound

    @property
    def placeholder(self) -> str:
        """The default, or an example of texts."""
        shown = self.source.default if self.source.default is not None else self._example
        return typed_text(self.source, shown)

    @property
    def _example(self) -> Any:
        return self.source.example if self.source.kind in (Kind.TEXTS, Kind.MAPPING, Kind.RANGE) else None

    @property
    def choices(self) -> tuple[str, ...]:
        """Plug-ins or values to choose from."""
        if self.source.kind is Kind.SWITCH:
            return ("false", "true")
        if self.source.kind is Kind.ORDER:
            return ()
        how = self.source.how
        return spec.plugin_choices(how) if how.plugins else self.source.choices

    @property
    def by_preset(self) -> bool:
        """Whether nothing chosen means what the preset chooses."""
        return self.source.how.by_preset

    @property
    def nothing(self) -> str:
        """What no choice is called; empty where there is always one."""
        return "Of the preset" if self.by_preset else self.source.how.nothing


WRITTEN: Mapping[Kind, str] = {
    Kind.NUMBERS: "Separated by commas.",
    Kind.RANGE: "LOW:HIGH.",
    Kind.TEXTS: "Separated by commas.",
    Kind.ORDER: "natural, plain, or all classes separated by commas.",
    Kind.MAPPING: "NAME=VALUE, separated by semicolons.",
    Kind.LIST: "Separated by commas.",
}
PARAMETERS = "policy_params"
FIELDS = tuple(
    FormField(one)
    for one in input_fields(spec.CompressionSpec)
    if one.how.on_form and one.place != PARAMETERS  # each has an input of its own
)
BUDGET = tuple(one for one in FIELDS if one.source.path[0] == "budget")
ADVANCED = tuple(one for one in FIELDS if one not in BUDGET)


def policy_fields() -> tuple[FormField, ...]:
    """The parameters of every installed policy."""
    return tuple(
        FormField(_input(parameter), policy)
        for policy in POLICIES.available()
        for parameter in policy_parameters(policy)
    )


def fields_for(document: Mapping[str, Any]) -> tuple[FormField, ...]:
    """The inputs that count for a spec with the preset and the policy that ``document`` gives, if it gives them."""
    chosen = resolved({name: value for name in ("preset", "policy") if (value := document.get(name))}).get("policy")
    return (*FIELDS, *(one for one in policy_fields() if one.policy == chosen))


KINDS: Mapping[object, Kind] = {
    "integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.SWITCH, "string": Kind.TEXT, "array": Kind.LIST
}  # fmt: skip


def _input(parameter: Parameter) -> InputField:
    """A parameter as an input; of a type that is none of JSON's it is a scalar, which the policy itself checks."""
    schema = parameter.schema
    choices = schema.get("enum")
    return InputField(
        path=(PARAMETERS, parameter.name),
        kind=Kind.CHOICE if isinstance(choices, list) else KINDS.get(schema.get("type"), Kind.SCALAR),
        label=parameter.name.replace("_", " ").capitalize(),
        help=parameter.description,
        default=parameter.default,
        example=None,
        low=_bound(schema.get("minimum", schema.get("exclusiveMinimum"))),
        high=_bound(schema.get("maximum", schema.get("exclusiveMaximum"))),
        is_open="exclusiveMaximum" in schema,
        choices=tuple(map(str, choices)) if isinstance(choices, list) else (),
        how=Input(),
    )


def _bound(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None
