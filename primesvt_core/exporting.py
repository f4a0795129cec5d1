"""A model as a file, or a folder, for other software: written, read back, compared, and only then put in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue, ValidationError
from pydantic_core import to_jsonable_python

from primesvt_client.errors import without_type
from primesvt_client.version import __version__
from primesvt_core.data import DataSet, ValueRange
from primesvt_core.errors import CheckpointMismatch, ExportError, SpecError
from primesvt_core.evaluation.evaluate import DEFAULT_BATCH, class_reading, indices_of, split_meant
from primesvt_core.evaluation.splits import BY_FAMILY, SplitName, open_as_they_are
from primesvt_core.exporters import EXPORTERS, Export, Exporter, ExportOptions, Original
from primesvt_core.exporters._base import Images
from primesvt_core.exporters._images import DataImages, drawn_for
from primesvt_core.exporters._loaded import LoadedModel, load_model, told_classes
from primesvt_core.exporters._reporting import REPORT, ExportedFile, ExportReport, SourceModel
from primesvt_core.families._base import Value
from primesvt_core.pruning.groups import memory_bytes, parameter_count
from primesvt_core.spec import ClassReading, PreprocessingOverrides, SplitSizes
from primesvt_core.workspace.atomic import write_atomically

MOST_IMAGES = 1000
"""Images of a data set on which an export is checked."""


@dataclass(frozen=True, kw_only=True)
class CheckData:
    """A data set on whose images an export is checked.

    Attributes:
        source: where it is, or itself.
        split: which of its images, as `primesvt_core.evaluation.evaluate` has it.
        most: how many of them, the first ones.
        classes: which class has which number.
        value_range: the values of black and white of arrays.
    """

    source: Path | DataSet
    split: SplitName = "auto"
    most: int = MOST_IMAGES
    classes: ClassReading = BY_FAMILY
    value_range: ValueRange | None = None


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What is to be exported.

    Attributes:
        model: pruned or any other checkpoint.
        target: key of the exporter.
        out: file or folder to write; nothing may be there.
        original: the checkpoint that a pruned model came from, where the exporter needs it.
        assumptions: config fields that weights do not determine, which the caller knows.
        container: which weights of a checkpoint that has several; of the original where there is one.
        preprocessing: what differs from what the model's file and its family say.
        options: of the exporter.
        data: on whose images it is checked; drawn ones unless given.
        has_frames: whether the model takes frames of events; as the data set has it, or by its channels, unless given.
    """

    model: Path
    target: str
    out: Path
    original: Path | None = None
    assumptions: Mapping[str, Value] = field(default_factory=dict)
    container: str | None = None
    preprocessing: PreprocessingOverrides = field(default_factory=PreprocessingOverrides)
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    data: CheckData | None = None
    has_frames: bool | None = None


def export(request: ExportRequest) -> ExportReport:
    """Write a model for other software; what is there afterwards has been read back and compared with it.

    Raises:
        SpecError: if the request is wrong, or a package that the exporter needs is not installed.
        CheckpointError: if a checkpoint cannot be used, or is not the original.
        DataError: if the data set cannot be used.
        ExportError: if the model cannot be written in this form, or what was written computes something else.
    """
    exporter = EXPORTERS.load(request.target)
    _check_place(request, exporter)
    _check_packages(request.target, exporter)
    options = _options(request.target, exporter, request.options)
    model, original = _models(request, exporter)
    images, notes = _images(request, model)
    classes = images.classes or told_classes(model)
    handed = Export(model=model, original=original, options=options, images=images, classes=classes)
    with _staged(request.out) as staging:
        exporter.write(handed, staging / request.out.name)
        check = exporter.verify(handed, staging / request.out.name)
        report = ExportReport(
            target=request.target,
            version=__version__,
            files=_files(exporter, staging / request.out.name),
            model=_described(model),
            original=_described(original) if original else None,
            input="frames" if images.has_frames else "images",
            preprocessing=model.preprocessing,
            classes=classes,
            options=to_jsonable_python(options),
            check=check,
            notes=(*model.inspection.notes, *notes),
        )
        _deliver(exporter, staging, request.out, report)
    return report


def report_path(exporter: Exporter, out: Path) -> Path:
    """Where the document of an export lies."""
    return out / REPORT if exporter.is_folder else out.with_name(f"{out.name}.{REPORT}")


def _check_place(request: ExportRequest, exporter: Exporter) -> None:
    """Refuse a name that does not fit, and whatever would be overwritten."""
    out = request.out
    if not out.parent.is_dir():
        raise SpecError(f"there is no folder {out.parent} for --out")
    if exporter.suffixes and not exporter.is_folder and out.suffix not in exporter.suffixes:
        raise SpecError(
            f"--to {request.target} writes {', '.join(exporter.suffixes)} files; give such a name for --out, not"
            f" {out.name}{_writers(out.suffix)}"
        )
    written = (out,) if exporter.is_folder else (*exporter.paths(out), report_path(exporter, out))
    for path in written:
        if path.exists():
            kind = "folder" if exporter.is_folder else "file"
            raise SpecError(f"{path} exists; give another {kind} for --out")


def _writers(suffix: str) -> str:
    """The formats whose files end so."""
    every = {name: EXPORTERS.load(name) for name in EXPORTERS.available()}
    fitting = [f"--to {name}" for name, one in every.items() if suffix in one.suffixes and not one.is_folder]
    return f"; such a file is written by {' or '.join(fitting)}" if fitting else ""


def _check_packages(target: str, exporter: Exporter) -> None:
    for extra, packages in exporter.packages.items():
        missing = [name for name in packages if find_spec(name) is None]
        if missing:
            raise SpecError(
                f"--to {target} needs {', '.join(missing)}, which is not installed: pip install 'primesvt[{extra}]'"
            )


def _options(target: str, exporter: Exporter, given: Mapping[str, JsonValue]) -> ExportOptions:
    try:
        return exporter.options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        known = ", ".join(exporter.options.model_fields) or "none"
        raise SpecError(f"--option {name}: {without_type(first['msg'])}; options of --to {target}: {known}") from None


def _models(request: ExportRequest, exporter: Exporter) -> tuple[LoadedModel, LoadedModel | None]:
    """The model and, where the exporter takes it, the original; the container is of the one that is no file of ours.

    Raises:
        SpecError: if an original is missing, or nobody takes it.
    """
    if exporter.original is Original.UNUSED and request.original is not None:
        raise SpecError(f"--to {request.target} takes no original; leave out --original")
    if exporter.original is Original.NEEDED and request.original is None:
        raise SpecError(f"--to {request.target} needs the checkpoint that the model was pruned from; give --original")
    container = request.container if request.original is None else None
    model = load_model(request.model, request.assumptions, container=container, overrides=request.preprocessing)
    original = None if request.original is None else _original(model, request.original, request.container)
    return model, original


def _original(pruned: LoadedModel, path: Path, container: str | None) -> LoadedModel:
    """The original, run as the pruned model is, which its weights do not tell."""
    told = {assumption.field: assumption.value for assumption in pruned.inspection.assumptions}
    try:
        found = load_model(path, told, container=container)
    except SpecError as error:
        raise CheckpointMismatch(f"{pruned.name} was not pruned from {path.name}: {error}") from None
    if found.provenance is not None and found.provenance.plan:
        raise CheckpointMismatch(f"{path.name} is pruned, too; give the checkpoint that both came from")
    if found.inspection.family_key != pruned.inspection.family_key:
        raise CheckpointMismatch(f"{path.name} is a {found.family.title}, {pruned.name} a {pruned.family.title}")
    return found


def _images(request: ExportRequest, model: LoadedModel) -> tuple[Images, tuple[str, ...]]:
    """The images of the check, and notes on their data set."""
    data = request.data
    if data is None:
        return drawn_for(model, has_frames=request.has_frames), ()
    own = model.provenance
    opened = open_as_they_are(
        model.inspection,
        data.source,
        request.preprocessing,
        own.splits if own else SplitSizes(),
        seed=own.seed if own else 0,
        batch_size=own.batch_size if own else DEFAULT_BATCH,
        classes=class_reading(data.classes, own),
        value_range=data.value_range,
    )
    if request.has_frames is not None and request.has_frames is not (opened.data.kind == "frames"):
        raise SpecError(f"{opened.data.name} holds {opened.data.kind}; leave out --frames and --no-frames")
    chosen = indices_of(opened, split_meant(data.split, opened, own))[: data.most]
    return DataImages(images=opened, indices=chosen), opened.data.notes


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder beside ``out``, on the same disk, that is gone afterwards."""
    with TemporaryDirectory(prefix=".exporting-", dir=out.parent) as folder:
        yield Path(folder)


def _files(exporter: Exporter, out: Path) -> tuple[ExportedFile, ...]:
    """What was written, which must be what the record says.

    Raises:
        ExportError: naming what is missing or too many.
    """
    root = out if exporter.is_folder else out.parent
    found = sorted(path for path in root.rglob("*") if path.is_file())
    if not found or (not exporter.is_folder and {*found} != {*exporter.paths(out)}):
        names = ", ".join(path.name for path in found) or "nothing"
        raise ExportError(f"the exporter wrote {names} instead of {', '.join(p.name for p in exporter.paths(out))}")
    return tuple(_file(path, root) for path in found)


def _file(path: Path, root: Path) -> ExportedFile:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return ExportedFile(name=path.relative_to(root).as_posix(), bytes=path.stat().st_size, sha256=digest)


def _described(model: LoadedModel) -> SourceModel:
    inspection, unused = model.inspection, model.family.unused(model.config)
    return SourceModel(
        name=model.name,
        sha256=inspection.checkpoint.sha256,
        family=inspection.family_key,
        title=model.family.title,
        variant=model.config.variant,
        parameters=parameter_count(inspection.shapes, unused),
        parameter_bytes=memory_bytes(inspection.shapes, unused),
        is_pruned=model.provenance is not None and bool(model.provenance.plan),
        config=model.config.model_dump(mode="json"),
        assumptions=tuple(to_jsonable_python(asdict(one)) for one in inspection.assumptions),
    )


def _deliver(exporter: Exporter, staging: Path, out: Path, report: ExportReport) -> None:
    """Put everything in its place, what is asked for last."""
    content = report.model_dump_json(indent=2).encode() + b"\n"
    written = staging / out.name
    if exporter.is_folder:
        write_atomically(written / REPORT, content)
    else:
        write_atomically(report_path(exporter, out), content)
        for path in exporter.paths(written)[1:]:
            path.replace(out.with_name(path.name))
    written.replace(out)
