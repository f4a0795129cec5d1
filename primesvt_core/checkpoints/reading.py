"""Reading an untrusted checkpoint: format by content, structure without running anything, every used byte checked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from numpy.typing import NDArray

from primesvt_core.checkpoints.containers import PlainValue, checked_name, unpack
from primesvt_core.checkpoints.counters import as_counts, is_count
from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.masks import with_masks
from primesvt_core.checkpoints.precisions import PRECISIONS
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.regions import FLOATS, Located, Region, check_variance, verify
from primesvt_core.checkpoints.safetensors_files import read_safetensors
from primesvt_core.checkpoints.stored_weights import restored, stored_precision
from primesvt_core.checkpoints.tensors import ITEMSIZES, Tensor
from primesvt_core.checkpoints.torch_files import Structure, is_legacy, read_legacy, read_zip
from primesvt_core.checkpoints.wrappers import unwrap
from primesvt_core.checkpoints.writing import write_tensors
from primesvt_core.errors import CheckpointRefused
from primesvt_core.types import TensorSpec

Format = Literal["torch_zip", "torch_legacy", "safetensors"]
VARIANCE = "running_var"
SMALL_FILE = 1 << 20
HEAD = 512
TAR_MAGIC_AT = 257
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint file, understood but not loaded.

    Attributes:
        path: the file.
        format: found by content, whatever the file is called.
        container: under which key the weights lie; empty for a bare state dict.
        containers: every key with weights, the preferred first.
        tensors: shapes and dtypes, names without the prefixes that wrappers add.
        args: plain values of the training script's arguments and ``arch``, where the file has them.
        metadata: of a safetensors file; of a torch file what one of our own says of its model.
        notes: what was ignored or changed.
        sha256: of the file.
        located: where each tensor lies.
        weights: key of the precision in which a file of our own stores its weights, which ``tensors`` have as they are
            read back; None where nothing is said of it.
    """

    path: Path
    format: Format
    container: str
    containers: tuple[str, ...]
    tensors: Mapping[str, TensorSpec]
    args: Mapping[str, PlainValue]
    metadata: Mapping[str, str]
    notes: tuple[str, ...]
    sha256: str
    located: Mapping[str, Located]
    weights: str | None = None


def read(path: Path, limits: Limits = DEFAULT_LIMITS, *, container: str | None = None) -> Checkpoint:
    """Read the structure of a checkpoint and check every byte that its weights use.

    Checksums are verified and NaN and infinities refused a few MiB at a time: memory does not grow with the file.
    What lies beside the weights (optimizer states) is neither read nor checked.

    Args:
        path: a torch file of either format, or safetensors.
        limits: what the file may declare.
        container: under which key to take the weights, of a file that has several (``containers`` of the result).

    Raises:
        CheckpointRefused: with a stable ``error_code`` (`Refusal`), the file's name and what is wrong with it.
    """
    try:
        return _read(path, limits, container)
    except CheckpointRefused as refusal:
        raise CheckpointRefused(
            f"{quote(path.name or str(path))}: {refusal.message}", code=refusal.error_code
        ) from None


def _read(path: Path, limits: Limits, container: str | None) -> Checkpoint:
    format_ = _detect(path)
    args: Mapping[str, PlainValue] = {}
    metadata: Mapping[str, str] = {}
    containers: tuple[str, ...] = ("",)
    notes: tuple[str, ...] = ()
    chosen = ""
    if format_ == "safetensors":
        if container:
            raise refuse(
                Refusal.NO_STATE_DICT, f"a safetensors file is a state dict itself; no {quote(container)} in it"
            )
        located, metadata = read_safetensors(path, limits)
        located, notes = unwrap(located)
    else:
        structure = read_zip(path, limits) if format_ == "torch_zip" else read_legacy(path, limits)
        contents = unpack(structure.root, container, limits)
        tensors, changed = unwrap(contents.tensors)
        located = _locate(structure, tensors)
        chosen, containers, args, notes = contents.container, contents.containers, contents.args, contents.notes
        notes, metadata = (*changed, *notes), contents.metadata
    for name in located:
        checked_name(name, limits)
    weights = stored_precision(metadata)
    _check(path, located, limits, (*FLOATS, PRECISIONS[weights].dtype) if weights else FLOATS)
    located, stored = restored(located, weights)
    located, masked = with_masks(located)
    located, counted = as_counts(located)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return Checkpoint(
        path=path,
        format=format_,
        container=chosen,
        containers=containers,
        tensors=MappingProxyType({name: spec(tensor) for name, tensor in located.items()}),
        args=MappingProxyType(dict(args)),
        metadata=MappingProxyType(dict(metadata)),
        notes=(*notes, *stored, *masked, *counted),
        sha256=digest,
        located=MappingProxyType(located),
        weights=weights,
    )


def load_arrays(checkpoint: Checkpoint, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Tensors as arrays: dense, read-only, little-endian; bfloat16, which numpy does not have, as its bits in uint16.

    Args:
        checkpoint: as `read` returns it; its file must still be there.
        names: which; all unless given.

    Raises:
        CheckpointRefused: if the file has been cut short since.
    """
    wanted = checkpoint.located if names is None else names
    return {name: checkpoint.located[name].array() for name in wanted}


def normalise(checkpoint: Checkpoint, out: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write the weights as safetensors: dense, little-endian, one tensor in memory at a time.

    Raises:
        CheckpointRefused: if the file has been cut short since it was read.
    """
    write_tensors(out, checkpoint.tensors, lambda name: checkpoint.located[name].array(), metadata or {})


def _detect(path: Path) -> Format:
    try:
        if not path.is_file():  # a pipe would never end
            what = "is a folder, and a checkpoint is a file" if path.is_dir() else "is no file"
            raise refuse(Refusal.NOT_A_CHECKPOINT, f"{path} {what}")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise refuse(Refusal.NOT_A_CHECKPOINT, f"cannot read {path}: {error.strerror or error}") from None
    if head.startswith(b"PK\x03\x04"):
        return "torch_zip"
    if is_legacy(path):
        return "torch_legacy"
    if size > 8 and head[8:9] == b"{":  # behind the length of a safetensors header
        return "safetensors"
    raise refuse(Refusal.NOT_A_CHECKPOINT, _what_it_is(head, size))


_SIGNATURES = {
    b"version https://git-lfs": "it is a git-lfs pointer: run `git lfs pull` and give the real file",
    b"\x1f\x8b": "it is compressed with gzip: unpack it first",
    b"\xfd7zXZ": "it is compressed with xz: unpack it first",
    b"\x80": "it is a bare pickle; save with torch.save(model.state_dict(), path) or as safetensors",
    b"<": "it begins like a web page: perhaps a download that failed",
    b"\x89HDF": "it is an HDF5 file",
}


def _what_it_is(head: bytes, size: int) -> str:
    kind = next((text for signature, text in _SIGNATURES.items() if head.startswith(signature)), None)
    if head[TAR_MAGIC_AT:].startswith(b"ustar"):
        kind = "it is a tar archive: unpack it first"
    if kind is None:
        kind = "it is empty" if size == 0 else "it is neither a torch file nor safetensors"
    return f"the file is no checkpoint: {kind}"


def _locate(structure: Structure, tensors: Mapping[str, Tensor]) -> dict[str, Located]:
    return {name: structure.locate(tensor) for name, tensor in tensors.items()}


def _check(path: Path, located: Mapping[str, Located], limits: Limits, dtypes: Collection[str]) -> None:
    """Refuse what no state dict has: other ``dtypes``, more data than the file, damaged or infinite values."""
    if not located:
        raise refuse(Refusal.NO_STATE_DICT, "the file holds no tensors; save model.state_dict()")
    for name, tensor in located.items():
        if tensor.dtype not in dtypes and not is_count(name, tensor):
            raise refuse(
                Refusal.UNSUPPORTED_TENSOR,
                f"{name} has the dtype {tensor.dtype}; weights are floating-point. If it is a counter or a metric, save"
                " the state dict of the model alone",
            )
    # Views may overlap and reach far apart, so both what is written and what is read for it are bounded.
    total = sum(max(tensor.bytes, tensor.extent) for tensor in located.values())
    if total > limits.expansion * max(path.stat().st_size, SMALL_FILE):
        raise refuse(Refusal.TOO_LARGE, f"a file of {path.stat().st_size:,} bytes declares tensors of {total:,} bytes")
    checked: set[tuple[int, int]] = set()
    for name, tensor in located.items():
        place = (
            (tensor.region.start, tensor.region.size) if isinstance(tensor.region, Region) else (id(tensor.region), 0)
        )
        if place not in checked:
            verify(tensor.region, tensor.dtype, big_endian=tensor.big_endian, what=name)
            checked.add(place)
        if name.rsplit(".", 1)[-1] == VARIANCE:
            check_variance(tensor, name)


def spec(tensor: Located) -> TensorSpec:
    """A tensor without its values."""
    return TensorSpec(shape=tensor.shape, dtype=tensor.dtype, itemsize=ITEMSIZES[tensor.dtype])
