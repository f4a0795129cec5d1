"""A pickle read as data: an interpreter of its opcodes that calls nothing and imports nothing.

What a pickle would have called is kept as a `Call` of a `Name` on a short allow-list (`names`); any other name is
refused. Only the opcodes that protocols 2 to 5 write are understood, and no value of the file is ever hashed or
printed: both can be made to take forever, or to overflow the C stack.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any

from primesvt_core.checkpoints.graphs import check_graph
from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.names import allow
from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.values import MAPPINGS, Call, Name, Pairs, PersistentId

__all__ = ["Call", "Name", "Pairs", "PersistentId", "read_pickle"]

CODECS = ("latin1", "latin-1")
STOP = b"."

Reader = Callable[[Any], Any]
Handler = Callable[[Any], object]


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
        """Up to ``size`` bytes, whatever the file declares."""
        return self._take(self.stream.read(min(size, self.left + 1)))

    def readline(self) -> bytes:
        """One line, with its end."""
        return self._take(self.stream.readline(self.left + 1))


def read_pickle(stream: IO[bytes], limits: Limits) -> Any:  # whatever the file holds
    """Read one pickle from ``stream``, leaving it behind the pickle's end.

    Returns:
        Plain values, `Pairs`, lists, tuples, `Call`, `Name` and `PersistentId`; a finite tree (`check_graph`).

    Raises:
        CheckpointRefused: if the pickle is damaged, names code, or goes beyond the limits.
    """
    source, machine = BoundedStream(stream, limits.pickle_bytes), _Machine()
    table = machine.table
    try:
        for _ in range(limits.opcodes):
            code = source.read(1)
            if code == STOP:
                root = machine.finish()
                break
            reader, handle = table[code] if code in table else _refuse_opcode(code)
            handle(reader(source) if reader else None)
        else:
            raise refuse(Refusal.TOO_LARGE, "the pickle in the file has more parts than any checkpoint's")
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise refuse(Refusal.DAMAGED, f"the pickle in the file is damaged ({quote(error)})") from None
    check_graph(root, limits)
    return root


def _refuse_opcode(code: bytes) -> tuple[Reader | None, Handler]:
    if not code:
        raise ValueError("it has no end")
    known = pickletools.code2op.get(code.decode("latin1"))  # type: ignore[attr-defined]  # missing in typeshed
    if known is None:
        raise ValueError(f"it has the unknown opcode {code!r}")
    raise refuse(Refusal.UNSAFE_PICKLE, f"the pickle uses the opcode {known.name}, which torch never writes")


def _read_global(source: BoundedStream) -> tuple[str, str]:
    lines = source.readline(), source.readline()
    if not all(line.endswith(b"\n") for line in lines):
        raise ValueError("it is cut short within a name")
    module, name = (line[:-1].decode("utf-8") for line in lines)
    return module, name


_LITERALS = (
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
)  # fmt: skip


class _Machine:
    """The pickle's stack and memo; ``table`` gives for every opcode how its argument is read and what it does."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        named = self._values() | self._containers() | self._memory() | self._objects()
        self.table: dict[bytes, tuple[Reader | None, Handler]] = {
            opcode.code.encode("latin1"): (opcode.arg.reader if opcode.arg else None, named[opcode.name])
            for opcode in pickletools.opcodes
            if opcode.name in named
        }
        self.table[b"c"] = (_read_global, named["GLOBAL"])

    def _values(self) -> dict[str, Handler]:
        push = self.stack.append
        return {
            **dict.fromkeys(_LITERALS, push),
            "BYTEARRAY8": lambda content: push(bytes(content)),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "PROTO": lambda _: None,
            "FRAME": lambda _: None,
        }

    def _containers(self) -> dict[str, Handler]:
        push, pop = self.stack.append, self._pop
        return {
            "MARK": lambda _: self.marks.append(len(self.stack)),
            "EMPTY_LIST": lambda _: push([]),
            "EMPTY_SET": lambda _: push([]),
            "EMPTY_DICT": lambda _: push(Pairs()),
            "EMPTY_TUPLE": lambda _: push(()),
            "TUPLE1": lambda _: push((pop(),)),
            "TUPLE2": lambda _: push((pop(), pop())[::-1]),
            "TUPLE3": lambda _: push((pop(), pop(), pop())[::-1]),
            "TUPLE": lambda _: push(tuple(self._since_mark())),
            "FROZENSET": lambda _: push(tuple(self._since_mark())),
            "LIST": lambda _: push(self._since_mark()),
            "DICT": lambda _: push(Pairs(_paired(self._since_mark()))),
            "APPEND": lambda _: self._extend([pop()]),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "ADDITEMS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set_items([pop(), pop()][::-1]),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
        }

    def _memory(self) -> dict[str, Handler]:
        return {
            "POP": lambda _: self._pop(),
            "POP_MARK": lambda _: self._since_mark(),
            "DUP": lambda _: self.stack.append(self._top()),
            "MEMOIZE": lambda _: self._remember(len(self.memo)),
            **dict.fromkeys(("BINPUT", "LONG_BINPUT"), self._remember),
            **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda index: self.stack.append(self.memo[index])),
        }

    def _objects(self) -> dict[str, Handler]:
        return {
            "GLOBAL": lambda argument: self.stack.append(allow(*argument)),
            "STACK_GLOBAL": lambda _: self.stack.append(allow(*[self._pop(), self._pop()][::-1])),
            "REDUCE": lambda _: self._call(),
            "NEWOBJ": lambda _: self._call(),
            "BUILD": lambda _: self._build(),
            "BINPERSID": lambda _: self.stack.append(PersistentId(self._pop())),
        }

    def finish(self) -> Any:
        """The value the pickle stands for."""
        if len(self.stack) != 1 or self.marks:
            raise ValueError("its stack does not end with one value")
        return self.stack[0]

    def _top(self) -> Any:
        if self.marks and self.marks[-1] == len(self.stack):
            raise ValueError("a mark where a value should be")
        return self.stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        self.stack.pop()
        return value

    def _since_mark(self) -> list[Any]:
        index = self.marks.pop()
        values = self.stack[index:]
        del self.stack[index:]
        return values

    def _remember(self, index: int) -> None:
        if index > len(self.memo) + 1:  # Python 2 counts from 1; numbers at will could be made to collide
            raise ValueError("its memory is not numbered in order")
        self.memo[index] = self._top()

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise ValueError("values appended to something that is no list")  # noqa: TRY004  # a damaged file
        target.extend(values)

    def _set_items(self, flat: list[Any]) -> None:
        target = self._top()
        pairs = target.pairs if isinstance(target, Call) and target.name.name in MAPPINGS else target
        if not isinstance(pairs, Pairs):
            raise ValueError("items set on something that is no dict")  # noqa: TRY004
        pairs.items.extend(_paired(flat))

    def _call(self) -> None:
        args, name = self._pop(), self._pop()
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise ValueError("a call of something that is no name")  # noqa: TRY004
        if name.name == "encode" and not _encodes_bytes(args):
            raise refuse(Refusal.UNSAFE_PICKLE, "the pickle encodes text with a codec that no checkpoint uses")
        self.stack.append(Call(name, args))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, Call) or target.name.module == "torch._utils":
            raise refuse(Refusal.UNSAFE_PICKLE, "the pickle sets attributes on a tensor or a plain value")
        target.state = state


def _encodes_bytes(args: tuple[Any, ...]) -> bool:
    return len(args) == 2 and isinstance(args[0], str) and args[1] in CODECS


def _paired(flat: list[Any]) -> list[tuple[Any, Any]]:
    if len(flat) % 2:
        raise ValueError("a key without a value")
    return list(zip(flat[::2], flat[1::2], strict=True))
