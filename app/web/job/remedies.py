"""What helps when a job has failed, by the code of its problem: what to change, and the form to change it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlencode

from app.jobs.records import Job
from primesvt_client.spec import CompressionSpec

USUAL_BATCH: int = CompressionSpec.model_fields["batch_size"].default
SMALLER = 4
"""By how much smaller the batch that is offered where memory did not suffice."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do.

    Attributes:
        label: of the button.
        change: input of the form of a new job that it leads to; empty of a job that is tried again as it is.
        values: of further inputs, as people type them.
    """

    label: str
    change: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Remedy:
    """What helps, in a sentence, and the buttons that lead there, the most likely first."""

    text: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Action:
    """A button: where it leads, or that it tries the job again as it is."""

    label: str
    url: str
    is_retry: bool


@dataclass(frozen=True)
class Advice:
    """What the page of a failed job offers."""

    text: str
    actions: tuple[Action, ...]


AGAIN = Step(label="Try again as it is")
OTHER_DATA = Step(label="Choose other data", change="dataset_id")
OTHER_CHECKPOINT = Step(label="Choose another checkpoint", change="checkpoint_id")
CLASS_ORDER = Step(label="Set the order of classes", change="class_order")
PREPROCESSING = Step(label="Set the preprocessing", change="mean")
ASSUMPTIONS = Step(label="Set what weights do not tell", change="assumptions")
LARGER_DROP = Step(label="Allow a larger drop", change="max_accuracy_drop")
SMALLER_TARGET = Step(label="Ask for less saving", change="min_memory_saving")
SMALLER_BATCH = Step(label="Use smaller batches", change="batch_size")

REMEDIES: Mapping[str, Remedy] = {
    "baseline_near_chance": Remedy(
        "The original model is hardly better than guessing on these data, so something is read otherwise than it was"
        " trained: usually the order of the classes, the preprocessing, or another data set.",
        (CLASS_ORDER, PREPROCESSING, OTHER_DATA),
    ),
    "data_classes": Remedy(
        "Model and data do not have the same classes. Choose the data that the model was trained for, or say that the"
        " data have only the model's first classes.",
        (OTHER_DATA, Step(label="Accept fewer classes", change="allow_fewer_classes"), CLASS_ORDER),
    ),
    "data_channels": Remedy("The images have another number of channels than the model takes.", (OTHER_DATA,)),
    "data_unlabelled": Remedy(
        "Without labels the accuracy cannot be limited, but the disagreement with the original can.",
        (Step(label="Limit the disagreement", change="max_disagreement"), OTHER_DATA),
    ),
    "data_too_small": Remedy("There are too few images to search on and to confirm with.", (OTHER_DATA,)),
    "data_*": Remedy(
        "The data set cannot be read as it is. Repair it as said above, and upload it again.", (OTHER_DATA,)
    ),
    "budget_unprovable": Remedy(
        "So small a drop cannot be proven with so few images: allow a larger one, confirm on more images, or accept a"
        " result that is not proven.",
        (
            LARGER_DROP,
            Step(label="Confirm on more images", change="confirmation_images"),
            Step(label="Accept an unproven result", change="accept_unproven"),
        ),
    ),
    "impossible_budget": Remedy("No pruning reaches this budget: ask for less.", (SMALLER_TARGET, LARGER_DROP)),
    "invalid_spec": Remedy("The settings do not fit together.", (LARGER_DROP,)),
    "unknown_plugin": Remedy(
        "The worker does not have a plug-in that was asked for. Choose another, or have the operator install it.",
        (Step(label="Choose another policy", change="policy"),),
    ),
    "assumption_needed": Remedy(
        "The weights do not tell everything about the model: fill in what is asked for.", (ASSUMPTIONS,)
    ),
    "checkpoint_mismatch": Remedy(
        "The weights do not fit the model that they were taken for: a number of heads or time steps that weights do not"
        " tell, other weights in the file, or another file.",
        (ASSUMPTIONS, Step(label="Choose the weights in the file", change="container"), OTHER_CHECKPOINT),
    ),
    "unknown_family": Remedy(
        "No family of models here has such weights. The documentation lists those that there are.", (OTHER_CHECKPOINT,)
    ),
    "checkpoint_*": Remedy("The checkpoint cannot be read. Save it again as said above.", (OTHER_CHECKPOINT,)),
    "unsafe_*": Remedy("The file holds code, which is never run. Save the weights alone.", (OTHER_CHECKPOINT,)),
    "upload_expired": Remedy("A file is not there any more: upload it again.", (OTHER_CHECKPOINT, OTHER_DATA)),
    "digest_mismatch": Remedy("A file has changed on its way: upload it again.", (OTHER_CHECKPOINT, OTHER_DATA)),
    "too_demanding": Remedy(
        "The job needs more memory or processor time than a job may have. Smaller batches need less memory, fewer"
        " images less time.",
        (SMALLER_BATCH, Step(label="Search on fewer images", change="search_images"), AGAIN),
    ),
    "out_of_memory": Remedy("The device's memory is too small for such batches.", (SMALLER_BATCH, AGAIN)),
    "worker_lost": Remedy(
        "The worker stopped every time that it was tried, perhaps for want of memory: smaller batches need less.",
        (AGAIN, SMALLER_BATCH),
    ),
    "scratch_full": Remedy("The worker's disk is full. Tell the operator; then try again.", (AGAIN,)),
    "internal_error": Remedy(
        "This is a fault of the service, not of your files. Try again; if it fails again, give the operator the job's"
        " id, which stands below.",
        (AGAIN,),
    ),
    "not_retargetable": Remedy("No other budget can be promised for that curve: search anew.", (LARGER_DROP,)),
    "parent_*": Remedy("The results of the earlier job are gone: search anew.", (LARGER_DROP,)),
}
"""By code, or a pattern of codes; the first that fits counts."""

OTHERWISE = Remedy("Change what is named above, or try again when its cause is gone.", (AGAIN,))


def advice(job: Job) -> Advice:
    """What helps a job that has failed."""
    code = job.problem.code if job.problem is not None and job.problem.code else ""
    remedy = REMEDIES.get(code) or next((r for pattern, r in REMEDIES.items() if fnmatchcase(code, pattern)), OTHERWISE)
    return Advice(remedy.text, tuple(_action(job, step) for step in remedy.steps))


def _action(job: Job, step: Step) -> Action:
    if step is AGAIN:
        return Action(step.label, f"/jobs/{job.id}/retry", is_retry=True)
    values = dict(step.values)
    if step is SMALLER_BATCH:
        values["batch_size"] = str(smaller_batch(job))
    query = {"like": job.id, **values, "change": step.change}
    return Action(step.label, f"/new?{urlencode(query)}", is_retry=False)


def smaller_batch(job: Job) -> int:
    """A batch that needs clearly less memory than the job's."""
    size = job.spec.get("batch_size")
    return max(1, (size if isinstance(size, int) else USUAL_BATCH) // SMALLER)
