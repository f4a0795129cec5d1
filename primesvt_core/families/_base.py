"""What a family is: everything PrimeSVT must know of one architecture, as data and a few pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from primesvt_client.spec_types import Rule
from primesvt_core.data import Preprocessing
from primesvt_core.registry import Registry
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

if TYPE_CHECKING:
    from primesvt_core.layers.model import SpikingModel

Value = int | float | str | bool
Count = Annotated[int, Field(ge=1)]


class FamilyConfig(BaseModel):
    """A family's description of one model, every width explicit: a pruned model is just another config."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    variant: str
    num_classes: Count
    in_channels: Count
    time_steps: Annotated[int, Field(ge=1, le=1024)]
    image_size: Annotated[int, Field(ge=1, le=4096)]


C = TypeVar("C", bound=FamilyConfig)


ALIASES: Mapping[str, tuple[str, ...]] = {
    "time_steps": ("time_step", "T"),
    "num_heads": ("heads",),
    "image_size": ("img_size", "input_size"),
}
"""Names under which training scripts of many families keep a config field in a checkpoint's ``args``."""


@dataclass(frozen=True)
class Hyperparameter:
    """A config field that weights do not determine.

    Attributes:
        default: its value unless the caller or the checkpoint gives one, from the variant and the shapes.
        aliases: other names, beside `ALIASES`, under which training scripts keep it in a checkpoint's ``args``.
        parse_args: its value in the training script's arguments, where none of its names is among them; None for none.
            Raises ``ValueError`` on arguments that make the model another one.
        ignored_by: variants whose public code takes that argument and ignores it.
        stages: as how many values it may be given, one a stage: a list there, separated by commas here.
        tell: its value where the tensors of this checkpoint tell it after all: then nobody else is believed.
        choices: the values that ``primesvt inspect --data`` tries, beside the default.
        must_be_told: whether no default is safe: a model of which nothing tells it is inspected, but not computed.
    """

    default: Callable[[str, Shapes], Value]
    aliases: tuple[str, ...] = ()
    parse_args: Callable[[Mapping[str, object]], object] = field(default=lambda _: None)
    ignored_by: tuple[str, ...] = ()
    stages: int = 1
    tell: Callable[[str, Shapes], Value | None] = field(default=lambda *_: None)
    choices: tuple[Value, ...] = ()
    must_be_told: Callable[[str, Shapes], bool] = field(default=lambda *_: False)

    def names(self, name: str) -> tuple[str, ...]:
        """Where to look for the field ``name`` in a checkpoint's ``args``, best first."""
        return (name, *self.aliases, *ALIASES.get(name, ()))


@dataclass(frozen=True, kw_only=True)
class Family(Generic[C]):
    """One architecture.

    Attributes:
        title: name for people.
        paper: where it was published.
        source: public repository and commit whose names and numerics are reproduced.
        config_type: its config.
        signature_keys: patterns of tensor names of which a checkpoint of this family has at least one; for naming the
            nearest family of an unknown file.
        identify: the variant that a state dict's names and shapes show, or None.
        hyperparameters: config fields that weights do not determine.
        infer: the config, from the variant, the shapes and the hyperparameters' values. May raise ``KeyError`` or
            ``ValueError`` on shapes that do not fit.
        build: the model of a config, freshly initialised, its state dict under the public repository's names.
        layers: weight-carrying layers in forward order.
        groups: channel groups in forward order.
        unused: tensors that the forward pass never reads.
        preprocessing: the public evaluation's preprocessing.
        class_rule: how the public training code numbers class folders: ``natural`` as timm, ``plain`` as torchvision's
            ImageFolder (`primesvt_core.data.ClassOrder`).
        unsupported_reason: why a state dict that looks like this family's is of another model; None if it does not.
        implied_args: arguments of the training script that the config implies, None where it does not; a file with
            another value there is of a model with the same weights that computes something else.
    """

    title: str
    paper: str
    source: str
    config_type: type[C]
    signature_keys: tuple[str, ...]
    identify: Callable[[Shapes], str | None]
    hyperparameters: Mapping[str, Hyperparameter]
    infer: Callable[[str, Shapes, Mapping[str, Value]], C]
    build: Callable[[C], SpikingModel]
    layers: Callable[[C], tuple[Layer, ...]]
    groups: Callable[[C], tuple[ChannelGroup, ...]]
    preprocessing: Callable[[C], Preprocessing]
    class_rule: Callable[[C], Rule] = field(default=lambda _: "natural")
    unused: Callable[[C], frozenset[str]] = field(default=lambda _: frozenset())
    unsupported_reason: Callable[[Shapes], str | None] = field(default=lambda _: None)
    implied_args: Mapping[str, Callable[[C], Value | None]] = field(default_factory=dict)


FAMILIES: Registry[Family[FamilyConfig]] = Registry("families", Family)


NORM_ENTRIES = ("weight", "bias", "running_mean", "running_var")
"""Per-channel entries of a BatchNorm in a state dict."""


def rows(*layers: str, bias: bool, stride: int | None = None, offset: int = 0) -> tuple[TensorSlice, ...]:
    """Slices of the output channels of ``layers``."""
    names = [f"{layer}.{entry}" for layer in layers for entry in (("weight", "bias") if bias else ("weight",))]
    return tuple(TensorSlice(tensor=name, dim=0, stride=stride, offset=offset) for name in names)


def norm(*norms: str, stride: int | None = None, offset: int = 0) -> tuple[TensorSlice, ...]:
    """Slices of BatchNorms."""
    return tuple(
        TensorSlice(tensor=f"{name}.{entry}", dim=0, stride=stride, offset=offset)
        for name in norms
        for entry in NORM_ENTRIES
    )


def columns(*layers: str, stride: int | None = None, offset: int = 0) -> tuple[TensorSlice, ...]:
    """Slices of the input channels of ``layers``."""
    return tuple(TensorSlice(tensor=f"{layer}.weight", dim=1, stride=stride, offset=offset) for layer in layers)


def layer(name: str, module: str, *norms: str | None, bias: bool, group: str | None) -> Layer:
    """A layer from the names of its module and its BatchNorms."""
    tensors = [f"{module}.weight", *([f"{module}.bias"] if bias else [])]
    for norm in norms:
        if norm is not None:
            tensors += [f"{norm}.{entry}" for entry in (*NORM_ENTRIES, "num_batches_tracked")]
    return Layer(name=name, tensors=tuple(tensors), group=group)


@dataclass(frozen=True)
class Producer:
    """A layer that produces a group's channels: its module, its BatchNorm, and whether it has a bias."""

    module: str
    norm: str
    bias: bool = False


def joined(stream: ChannelGroup, producers: Iterable[Producer] = (), consumers: Iterable[str] = ()) -> ChannelGroup:
    """A group whose channels further layers make or read: the residual stream of a fork with further layers.

    Args:
        stream: the group.
        producers: layers whose outputs are added to its channels.
        consumers: modules that read its channels in their order.
    """
    producers, consumers = tuple(producers), tuple(consumers)
    return replace(
        stream,
        slices=(
            *stream.slices,
            *(piece for producer in producers for piece in rows(producer.module, bias=producer.bias)),
            *norm(*(producer.norm for producer in producers)),
            *columns(*consumers),
        ),
        producers=(*stream.producers, *(f"{producer.module}.weight" for producer in producers)),
        silencers=(*stream.silencers, *(producer.norm for producer in producers)),
        consumers=(*stream.consumers, *(f"{consumer}.weight" for consumer in consumers)),
    )


def group(
    name: str,
    size: int,
    width: str,
    producers: Iterable[Producer],
    consumers: Iterable[str] = (),
    *,
    extra: Iterable[TensorSlice] = (),
    parts: int = 1,
    scope: Literal["local", "global"] = "local",
) -> ChannelGroup:
    """The plain case of a group: rows and BatchNorms of its producers, columns of its consumers.

    Args:
        name: of the group.
        size: channels.
        width: path of the config field that holds ``size``.
        producers: whose BatchNorm is the last one before the neuron or the residual add.
        consumers: modules that read the channels in their order.
        extra: other slices.
        parts: runs of channels (heads) over which the removal must be even.
        scope: whether it is a residual stream.
    """
    producers, consumers = tuple(producers), tuple(consumers)
    return ChannelGroup(
        name=name,
        size=size,
        width=width,
        slices=(
            *(piece for producer in producers for piece in rows(producer.module, bias=producer.bias)),
            *norm(*(producer.norm for producer in producers)),
            *columns(*consumers),
            *extra,
        ),
        producers=tuple(f"{producer.module}.weight" for producer in producers),
        silencers=tuple(producer.norm for producer in producers),
        consumers=tuple(f"{consumer}.weight" for consumer in consumers),
        parts=parts,
        min_size=parts,
        scope=scope,
    )
