"""The layers of a part, as its constructor makes them: those that the forward pass uses, under their public names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from primesvt_core.codegen.constructors import constructor
from primesvt_core.codegen.neurons import Kind
from primesvt_core.codegen.recording import Call
from primesvt_core.codegen.sources import Hole, Source, filled, joined
from primesvt_core.errors import ExportError

ENDINGS = re.compile(r"_?(conv_bn|conv|bn|lif|spike|neuron|linear)_?(?=\d*$)")
"""Of a layer's name, behind what it is about: ``q_conv``, ``proj_lif1``."""

LONGEST = 80
"""Of a container on one line."""

UNUSED = "nn.Identity()"
"""In the place of a numbered module that nothing uses."""


def stem(name: str, otherwise: str) -> str:
    """What a layer is about: ``q`` of ``q_conv``; ``otherwise`` where its name says nothing but what it is."""
    found = ENDINGS.sub("", name)
    return found if re.match(r"[a-z_]\w*$", found) else otherwise


@dataclass(frozen=True)
class Members:
    """Makes the layers of parts.

    Attributes:
        used: paths of the layers, parameters and buffers that the forward pass uses.
        made: by the path of a part how it is made; parts within a part come first.
        kind: whose neurons they shall have.
    """

    used: frozenset[str]
    made: Callable[[str], Source]
    kind: Kind

    def lines(self, call: Call) -> Iterator[Source]:
        """Assignments to ``self``."""
        for name, tensor in (*call.part.named_parameters(recurse=False), *call.part.named_buffers(recurse=False)):
            if _path(call.path, name) in self.used:
                yield _tensor(name, tensor)
        for name, module in call.part.named_children():
            path = _path(call.path, name)
            if self.is_used(path):
                if not name.isidentifier():
                    raise ExportError(f"{path}: a part with numbered layers cannot be written")
                yield (f"self.{name} = ", *self.member(path, module, stem(name, name)))

    def is_used(self, path: str) -> bool:
        """Whether the forward pass uses a module or anything in it."""
        return path in self.used or any(name.startswith(f"{path}.") for name in self.used)

    def member(self, path: str, module: nn.Module, about: str, depth: int = 0) -> Source:
        """The expression that makes one; ``depth`` containers within others are indented."""
        if (made := self.made(path)) != ():
            return tuple(
                Hole(piece.value, f"{about}_{piece.hint}") if isinstance(piece, Hole) else piece for piece in made
            )
        if path in self.used:
            return constructor(path, module, about, self.kind)
        children = dict(module.named_children())
        if isinstance(module, nn.ModuleList):
            return _listed(self._numbered(path, module, about, depth + 1), depth)
        if all(name.isdigit() for name in children):
            return _lines("nn.Sequential(", self._numbered(path, module, about, depth + 1), ")", depth)
        inside: list[Source] = [
            (f"{name}=", *self.member(_path(path, name), child, about, depth + 1))
            for name, child in children.items()
            if self.is_used(_path(path, name))
        ]
        return _lines("nn.Sequential(OrderedDict(", inside, "))", depth)

    def _numbered(self, path: str, module: nn.Module, about: str, depth: int) -> list[Source]:
        """Of a container; what is unused keeps its number."""
        children: Mapping[int, nn.Module] = {int(name): child for name, child in module.named_children()}
        names = {number: _path(path, str(number)) for number in range(max(children) + 1)}
        return [
            self.member(name, children[number], about, depth)
            if number in children and self.is_used(name)
            else (UNUSED,)
            for number, name in names.items()
        ]


def _path(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name


def _listed(members: list[Source], depth: int) -> Source:
    if len(members) > 1 and len({*members}) == 1 and members[0] != (UNUSED,):
        return ("nn.ModuleList(", *members[0], f" for _ in range({len(members)}))")
    return _lines("nn.ModuleList([", members, "])", depth)


def _lines(before: str, members: list[Source], after: str, depth: int) -> Source:
    """Members on one line, or, where that would be long or has lines already, each on its own."""
    short: Source = (before, *joined(", ", members), after)
    text = filled(short)
    if len(text) <= LONGEST and "\n" not in text:
        return short
    indent = "\n" + "    " * (depth + 3)
    return (before, indent, *joined(f",{indent}", members), ",\n", "    " * (depth + 2), after)


def _tensor(name: str, tensor: Tensor) -> Source:
    sizes = joined(", ", ((Hole(size, f"{name}_size"),) for size in tensor.shape))
    if isinstance(tensor, nn.Parameter):
        return (f"self.{name} = nn.Parameter(torch.empty(", *sizes, "))")
    return (f'self.register_buffer("{name}", torch.empty(', *sizes, "))")
