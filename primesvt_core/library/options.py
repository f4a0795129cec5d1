"""Types of the keywords that the library's functions take: those of the fields of a constraint spec.

Made from `primesvt_client.spec` by `make docs`; a field is declared there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict


class ReadingOptions(TypedDict, total=False):
    """How a checkpoint and a data set are read."""

    resize: int | None
    """Shorter side after resizing, pixels; the model's own if not given."""

    crop: int | None
    """Side of the centre crop, pixels; the model's own if not given."""

    mean: Sequence[float] | None
    """Mean of every channel, on the 0-1 scale; the model's own if not given."""

    std: Sequence[float] | None
    """Standard deviation of every channel, on the 0-1 scale; the model's own if not given."""

    value_range: tuple[float, float] | None
    """Values of black and white in data sets that are arrays, which are mapped to 0-1; needed where they are neither
    bytes (0-255) nor floats from 0 to 1.
    """

    time_steps: int | None
    """Time steps T, if the checkpoint does not contain them."""

    num_heads: int | None
    """Attention heads, if the checkpoint does not contain them."""

    assumptions: Mapping[str, bool | int | float | str]
    """Config fields that the weights do not determine (time_steps, num_heads, image_size ...)."""

    class_order: Literal["natural", "plain"] | Sequence[str] | None
    """Which class has which number: natural numbers class folders as timm does, plain as torchvision's ImageFolder
    does, a list has all classes in order; as the model's public training code if not given.
    """

    allow_fewer_classes: bool
    """Accept data sets with fewer classes than the model: their classes are the model's first ones. (default: False)"""

    container: str | None
    """Which weights of a file that has several (state_dict_ema ...); as they were trained if not given."""


class PruningOptions(ReadingOptions, total=False):
    """Those of a constraint spec but a search's."""

    max_accuracy_drop: float | None
    """Largest accuracy drop against the original model."""

    min_accuracy: float | None
    """Lowest accuracy of the pruned model."""

    max_disagreement: float | None
    """Largest share of images on which the pruned model may predict another class than the original: no accuracy
    drop exceeds it, and it needs no labels. In place of the limits of accuracy.
    """

    max_time_steps: int | None
    """Most time steps that the pruned model runs for; its accuracy drop is against the original over all of its own.
    Beside another limit.
    """

    preset: Literal["deep", "paper"]
    """Defaults of policy, criterion, repair and calibration images: deep prunes as much as is known how, paper as
    the paper describes. (default: deep)
    """

    criterion: str
    """Ranks the channels of a group. Default of the preset: reconstruction (deep), l2 (paper)."""

    repair: str
    """Adapts the remaining weights, without gradients; none leaves them. Default of the preset: sequential (deep),
    none (paper).
    """

    channel_multiple: int
    """Pruned channel groups keep a multiple of so many channels; a group that has no smaller multiple is left whole.
    (default: 1)
    """

    search_images: int
    """Images that profile and search use, at most. (default: 1000)"""

    confirmation_images: int
    """Held-out images that confirm the result, at most. (default: 4000)"""

    fine_tuning_epochs: int
    """Epochs of fine-tuning after the search. (default: 0)"""

    fine_tuning_seconds: float | None
    """Seconds of fine-tuning at most, all candidates together; it ends before where the budget is met by estimate.
    The original teaches, without labels.
    """

    recover_to: float | None
    """Accuracy, by estimate, at which fine-tuning ends before its time (300 seconds if not given) is over. The
    report says whether the delivered model reaches it.
    """

    learning_rate: float
    """Learning rate at the beginning of fine-tuning. (default: 0.0005)"""

    weights: Literal["float32", "float16", "int8"] | None
    """Precision of the layers' weights in the pruned model's file, with which it is confirmed, too; as the
    original's if not given. int8 has a scale for every output channel.
    """

    confidence: float
    """Confidence with which the accuracy floor must hold on held-out data. (default: 0.95)"""

    accept_unproven: bool
    """Deliver the best model even if the confirmation images cannot prove its accuracy drop. (default: False)"""

    batch_size: int
    """Images that are evaluated at once. (default: 50)"""

    device: str
    """auto, cpu, cuda or cuda:N. (default: auto)"""

    seed: int
    """Seed of the splits. (default: 0)"""


class CompressionOptions(PruningOptions, total=False):
    """Those of a constraint spec."""

    min_memory_saving: float | None
    """Smallest share of the parameter memory to save; as much as the accuracy allows if not given."""

    max_parameter_bytes: int | None
    """Largest parameter memory of the pruned model."""

    max_macs: int | None
    """Most multiply-accumulates of the pruned model for one image over all time steps, zeros counted."""

    max_inference_bytes: int | None
    """Largest peak memory of computing one image with the pruned model, parameters included, by the schedule that
    needs less: layer by layer, or time step by time step.
    """

    max_synaptic_operations: int | None
    """Most accumulates that spikes cause in the pruned model for one image over all time steps, the mean over search
    images.
    """

    max_stored_bytes: int | None
    """Most bytes of parameters in the pruned model's file, at the precision of the stored weights."""

    policy: str
    """Search policy, which chooses the pruning rates. Default of the preset: allocate (deep), prioritized (paper)."""

    policy_params: Mapping[str, bool | int | float | str | Sequence[bool | int | float | str]]
    """Parameters of the policy by name; those that are not given have its defaults."""

    rates: Sequence[float]
    """Pruning rates that the profile measures and that a search by accuracy tries."""

    profile: Literal["needed", "full"]
    """Cells of the profile to measure: those that the search needs, until decided, or all of them. (default: needed)"""

    excluded_groups: Sequence[str]
    """Name patterns (*, ?) of channel groups that are not pruned."""

    max_rates: Mapping[str, float]
    """Largest pruning rate of channel groups, by name or pattern (*, ?); 0 excludes them. If several patterns match
    a group, the strictest applies.
    """

    baselines: bool
    """Measure, on the search images, what one rate for all groups and channels by chance lose at the delivered
    memory. (default: True)
    """
