"""A pickle read as data: an interpreter of its opcodes that calls nothing and imports nothing.

What a pickle would have called is kept as a `Call` of a `Name` on a short allow-list; any other name is refused. Dicts
are lists of pairs, so that keys chosen to collide cost nothing.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.refusals import Refusal, refuse

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip

_NUMPY = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
}
_DTYPES = {*STORAGES.values(), "half", "float", "double", "long", "int", "short"}
ALLOWED = (
    {("torch", name) for name in (*STORAGES, *_DTYPES, "Size", "device")}
    | {("torch._utils", name) for name in ("_rebuild_tensor_v2", "_rebuild_parameter")}
    | {("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")}
    | {("pathlib", name) for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")}
    | {("collections", "OrderedDict"), ("collections", "defaultdict"), ("argparse", "Namespace"), ("_codecs", "encode")}
    | _NUMPY
)
CODECS = ("latin1", "latin-1")
MODULES = ("torch.nn.", "timm.", "spikingjelly.", "torchvision.", "__main__", "models", "model")


@dataclass(frozen=True)
class Name:
    """Something the pickle would have imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Pairs:
    """A dict, unhashed."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Call:
    """Something the pickle would have called, with the state it would have set."""

    name: Name
    args: tuple[Any, ...]
    state: Any = None
    pairs: Pairs = field(default_factory=Pairs)


@dataclass(eq=False)
class PersistentId:
    """A reference to a storage outside the pickle."""

    value: Any


class _Mark:
    """Start of a run of values on the stack."""


class BoundedStream:
    """A stream that reads no more than a pickle may have."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self.stream, self.left = stream, limit

    def _take(self, content: bytes) -> bytes:
        self.left -= len(content)
        if self.left < 0:
            raise refuse(Refusal.TOO_LARGE, "the pickle in the file is larger than any checkpoint's")
        return content

    def read(self, size: int) -> bytes:
        return self._take(self.stream.read(min(size, self.left + 1)))

    def readline(self) -> bytes:
        return self._take(self.stream.readline(self.left + 1))

    def tell(self) -> int:
        return self.stream.tell()


def read_pickle(stream: IO[bytes], limits: Limits) -> Any:  # whatever the file holds
    """Read one pickle from ``stream``, leaving it behind the pickle's end.

    Returns:
        Plain values, `Pairs`, lists, tuples, `Call`, `Name` and `PersistentId`.

    Raises:
        CheckpointRefused: if the pickle is damaged, names code, or nests beyond the limits.
    """
    machine = _Machine(limits)
    try:
        for opcode, argument, _ in pickletools.genops(BoundedStream(stream, limits.pickle_bytes)):  # type: ignore[arg-type]
            if opcode.name == "STOP":
                return machine.finish()
            machine.run(opcode.name, argument)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise refuse(Refusal.DAMAGED, f"the pickle in the file is damaged ({error})") from None
    raise refuse(Refusal.DAMAGED, "the pickle in the file has no end")


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": Pairs,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """The pickle's stack and memo."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.handlers: dict[str, Callable[[Any], object]] = {
            "MARK": lambda _: self.stack.append(_Mark()),
            "POP": lambda _: self._pop(),
            "POP_MARK": lambda _: self._since_mark(),
            "DUP": lambda _: self.stack.append(self.stack[-1]),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "LIST": lambda _: self.stack.append(self._since_mark()),
            "FROZENSET": lambda _: self.stack.append(tuple(self._since_mark())),
            "DICT": lambda _: self.stack.append(Pairs(_paired(self._since_mark()))),
            "APPEND": lambda _: self._extend([self._pop()]),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "ADDITEMS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set_items([self._pop(), self._pop()][::-1]),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
            "MEMOIZE": lambda _: self._remember(len(self.memo)),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._remember),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda index: self.stack.append(self.memo[index])),
            **{opcode: partial(self._tuple, count) for opcode, count in _TUPLES.items()},
            "GLOBAL": lambda argument: self._name(*argument.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._name(*[self._pop(), self._pop()][::-1]),
            "REDUCE": lambda _: self._call(),
            "NEWOBJ": lambda _: self._call(),
            "BUILD": lambda _: self._build(),
            "BINPERSID": lambda _: self.stack.append(PersistentId(self._pop())),
        }

    def run(self, opcode: str, argument: Any) -> None:
        """Carry out one opcode."""
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            self.stack.append(_EMPTY[opcode]())
        elif opcode in self.handlers:
            self.handlers[opcode](argument)
        elif opcode not in ("PROTO", "FRAME"):
            raise refuse(Refusal.UNSAFE_PICKLE, f"the pickle uses the opcode {opcode}, which no checkpoint needs")

    def finish(self) -> Any:
        """The value the pickle stands for."""
        if len(self.stack) != 1:
            raise ValueError("the stack does not end with one value")
        _check_graph(self.stack[0], self.limits)
        return self.stack[0]

    def _pop(self) -> Any:
        value = self.stack.pop()
        if isinstance(value, _Mark):
            raise ValueError("a mark where a value should be")  # noqa: TRY004  # a damaged file, not a wrong type
        return value

    def _since_mark(self) -> list[Any]:
        index = len(self.stack) - 1
        while not isinstance(self.stack[index], _Mark):
            if index == 0:
                raise ValueError("no mark on the stack")
            index -= 1
        values = self.stack[index + 1 :]
        del self.stack[index:]
        return values

    def _tuple(self, count: int, _: Any) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("values appended to something that is no list")  # noqa: TRY004
        self.stack[-1].extend(values)

    def _set_items(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        pairs = target.pairs if isinstance(target, Call) else target
        if not isinstance(pairs, Pairs):
            raise ValueError("items set on something that is no dict")  # noqa: TRY004
        pairs.items.extend(_paired(flat))

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in ALLOWED:
            raise _refused_name(str(module)[:100], str(name)[:100])
        self.stack.append(Name(module, name))

    def _call(self) -> None:
        args, name = self._pop(), self._pop()
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise ValueError("a call of something that is no name")  # noqa: TRY004
        if name.name == "encode" and not _encodes_bytes(args):
            raise refuse(Refusal.UNSAFE_PICKLE, "the pickle encodes text with a codec that no checkpoint uses")
        self.stack.append(Call(name, args))

    def _build(self) -> None:
        state, target = self._pop(), self.stack[-1]
        if not isinstance(target, Call) or target.name.module == "torch._utils":
            raise refuse(Refusal.UNSAFE_PICKLE, "the pickle sets attributes on a tensor or a plain value")
        target.state = state


def _encodes_bytes(args: tuple[Any, ...]) -> bool:
    return len(args) == 2 and isinstance(args[0], str) and args[1] in CODECS


def _paired(flat: list[Any]) -> list[tuple[Any, Any]]:
    if len(flat) % 2:
        raise ValueError("a key without a value")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _refused_name(module: str, name: str) -> Exception:
    if module.startswith(MODULES):
        return refuse(
            Refusal.WHOLE_MODULE,
            f"the file is a pickled model ({module}.{name}), not its weights; save model.state_dict() instead",
        )
    if module in ("torch", "torch._utils", "torch.storage", "torch._tensor"):
        return refuse(
            Refusal.UNSUPPORTED_TENSOR,
            f"the file holds a kind of tensor that is not supported ({module}.{name}); save dense float tensors",
        )
    return refuse(
        Refusal.UNSAFE_PICKLE,
        f"the pickle names {module}.{name}, which a checkpoint has no business with; nothing of it was run."
        " Save the state dict alone, or as safetensors",
    )


def _check_graph(root: Any, limits: Limits) -> None:
    """Refuse cycles, nesting beyond the limit, and sharing that grows without bound when it is walked."""
    sizes: dict[int, tuple[int, int]] = {}  # of every finished container: nodes when expanded, depth
    open_now: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        children = _children(node)
        if not children or (id(node) in sizes and not leaving):
            continue
        if leaving:
            open_now.discard(id(node))
            known = [sizes.get(id(child), (1, 0)) for child in children]
            sizes[id(node)] = (1 + sum(size for size, _ in known), 1 + max(depth for _, depth in known))
            if sizes[id(node)][0] > limits.nodes or sizes[id(node)][1] > limits.depth:
                raise refuse(
                    Refusal.TOO_LARGE, "the pickle nests or repeats its values far beyond what a checkpoint does"
                )
            continue
        if id(node) in open_now:
            raise refuse(Refusal.UNSAFE_PICKLE, "the pickle contains itself")
        if len(open_now) > limits.depth:
            raise refuse(Refusal.TOO_LARGE, "the pickle is nested far deeper than a checkpoint is")
        open_now.add(id(node))
        stack.append((node, True))
        stack.extend((child, False) for child in children)


def _children(node: Any) -> list[Any]:
    if isinstance(node, list | tuple):
        return list(node)
    if isinstance(node, Pairs):
        return [part for pair in node.items for part in pair]
    if isinstance(node, Call):
        return [*node.args, node.state, node.pairs]
    if isinstance(node, PersistentId):
        return [node.value]
    return []
