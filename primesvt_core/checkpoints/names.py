"""Which names a checkpoint's pickle may speak of. None of them is ever imported; any other refuses the file."""

from __future__ import annotations

from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.values import Name
from primesvt_core.errors import CheckpointRefused

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
"""Torch's storage types, by the dtype of their elements."""

_DTYPES = (*STORAGES.values(), "half", "float", "double", "long", "int", "short")

ALLOWED = {
    "torch": (*STORAGES, *_DTYPES, "Size", "device"),
    "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"),
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
    "numpy._core.numeric": ("_frombuffer",),
    "collections": ("OrderedDict", "defaultdict", "Counter"),
    "argparse": ("Namespace",),
    "mmengine.logging.history_buffer": ("HistoryBuffer",),
    "datetime": ("datetime", "date", "time", "timedelta", "timezone"),
    "pathlib": ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "_codecs": ("encode",),
    "builtins": ("set", "frozenset", "list", "dict", "int", "float"),
    "__builtin__": ("set", "frozenset", "list", "dict", "int", "float"),
}
"""Names by module: what training scripts keep in a file, and no more."""

MODEL_MODULES = ("torch.nn.", "timm.", "spikingjelly.", "torchvision.", "__main__", "models", "model")
TENSOR_MODULES = ("torch", "torch._utils", "torch.storage", "torch._tensor")


def allow(module: object, name: object) -> Name:
    """The name, if a checkpoint may speak of it.

    Raises:
        CheckpointRefused: with what the name gives away about the file.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise refuse(Refusal.UNSAFE_PICKLE, "the pickle builds a name from something that is no text")
    if name not in ALLOWED.get(module, ()):
        raise _refused(module, name)
    return Name(module, name)


def _refused(module: str, name: str) -> CheckpointRefused:
    quoted = quote(f"{module}.{name}")
    if module.startswith(MODEL_MODULES):
        return refuse(
            Refusal.WHOLE_MODULE, f"the file is a pickled model ({quoted}), not its weights; save model.state_dict()"
        )
    if module in TENSOR_MODULES:
        return refuse(
            Refusal.UNSUPPORTED_TENSOR,
            f"the file holds a kind of tensor that is not supported ({quoted}); save dense float tensors",
        )
    return refuse(
        Refusal.UNSAFE_PICKLE,
        f"the pickle names {quoted}, which a checkpoint has no business with; nothing of it was run."
        " Save the state dict alone, or as safetensors",
    )
