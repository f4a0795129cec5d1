"""One class for all parts of a model that are alike but for their widths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import getdoc

from torch import nn

from primesvt_core.codegen.bodies import Body
from primesvt_core.codegen.members import Members
from primesvt_core.codegen.neurons import Kind
from primesvt_core.codegen.recording import Call, calls
from primesvt_core.codegen.sources import Generalised, Hole, Source, filled, generalise, joined, template, unused_name
from primesvt_core.errors import ExportError
from primesvt_core.layers.graph import Node, Signal

ROOT = "{name} = shown(images, TIME_STEPS)  # (T, B, C, H, W)"
"""How the whole model begins."""


@dataclass(frozen=True)
class _Draft:
    """What a part's class would say, were it the only one of its class."""

    call: Call
    members: tuple[Source, ...]
    body: tuple[Source, ...]

    @property
    def source(self) -> Source:
        return (*joined("\n", self.members), "\n\n", *joined("\n", self.body))

    @property
    def key(self) -> object:
        return type(self.call.part).__name__, template(self.source), tuple(self.call.inputs.values())


class Classes:
    """Writes the classes of all parts of a model, the innermost first.

    Args:
        model: to write.
        root: its forward pass.
        shapes: of all values, for one image.
        taken: names that no class may have.
        kind: whose neurons they shall have.
    """

    def __init__(
        self, model: nn.Module, root: Call, shapes: Mapping[Signal, tuple[int, ...]], taken: Sequence[str], kind: Kind
    ) -> None:
        self.model, self.root, self.shapes, self.kind = model, root, shapes, kind
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.used = used(root, self.paths)
        self.names = [*taken]
        self.made: dict[str, Source] = {}
        self.name = ""  # of the class written last, in the end the whole model's

    def write(self) -> Iterator[str]:
        """Source code of one class after another."""
        every = {call.path: call for call in calls(self.root)}
        self._check_once()
        heights = _heights(self.root)
        for height in range(heights[self.root.path] + 1):
            drafts = [self._draft(call) for path, call in every.items() if heights[path] == height]
            of_class: dict[object, list[_Draft]] = {}
            for draft in drafts:
                of_class.setdefault(draft.key, []).append(draft)
            for same in of_class.values():
                yield self._written(same)

    def _check_once(self) -> None:
        paths = [call.path for call in calls(self.root)]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ExportError(f"{twice[0]} is computed more than once, which cannot be written as one class")

    def _draft(self, call: Call) -> _Draft:
        body = Body(self.model, call, self.shapes, self.paths)
        statements = tuple(body.write())
        members = Members(self.used | body.tensors, lambda path: self.made.get(path, ()), self.kind)
        return _Draft(call, tuple(members.lines(call)), statements)

    def _written(self, same: Sequence[_Draft]) -> str:
        call, found = same[0].call, generalise([draft.source for draft in same])
        name = unused_name(type(call.part).__name__, self.names)
        self.names.append(name)
        self.name = name
        for index, draft in enumerate(same):
            arguments = (
                (f"{parameter}=", Hole(column[index], parameter)) for parameter, column in found.parameters.items()
            )
            self.made[draft.call.path] = (f"{name}(", *joined(", ", arguments), ")")
        return "\n".join([f"class {name}(nn.Module):", *_class_lines(same[0], found, self.kind), ""])


def used(root: Call, paths: Mapping[int, str]) -> frozenset[str]:
    """Paths of the layers that a forward pass uses."""
    nodes = [step for call in calls(root) for step in call.steps if isinstance(step, Node)]
    return frozenset(paths[id(module)] for node in nodes for module in node.op.modules)


def _heights(root: Call) -> dict[str, int]:
    """How many classes lie within one another, by the part that holds them."""
    found: dict[str, int] = {}
    for call in calls(root):
        inside = [found[step.path] + 1 for step in call.steps if isinstance(step, Call)]
        found[call.path] = max(inside, default=0)
    return found


def _class_lines(draft: _Draft, found: Generalised, kind: Kind) -> Iterator[str]:
    """Docstring, constructor and forward pass of a class."""
    call = draft.call
    count = sum(isinstance(piece, Hole) for line in draft.members for piece in line)
    inside = sorted({name for place, name in found.names.items() if place >= count and place in found.hard})
    summary = (getdoc(type(call.part)) or type(call.part).__name__).splitlines()[0]
    arguments = f", *, {', '.join(f'{name}: {_kind(column)}' for name, column in found.parameters.items())}"
    yield f'    """{summary}"""'
    yield ""
    yield f"    def __init__(self{arguments if found.parameters else ''}) -> None:"
    yield "        super().__init__()"
    for name in inside:
        yield f"        self.{name} = {name}"
    place = 0
    for line in draft.members:
        yield "        " + filled(line, _from(found.names, place))
        place += _count(line)
    yield ""
    names = ["images"] if not call.path else [*call.inputs.values()]
    inputs = ", ".join(f"{name}: Tensor" for name in names)
    outputs = "Tensor" if len(call.outputs) == 1 else f"tuple[{', '.join(['Tensor'] * len(call.outputs))}]"
    yield f"    def forward(self, {inputs}) -> {outputs}:"
    if not call.path and kind == "spikingjelly":
        yield "        functional.reset_net(self)"
    if not call.path:
        yield "        " + ROOT.format(name=next(iter(call.inputs.values())))
    in_forward = {at: f"self.{name}" if at in found.hard else name for at, name in found.names.items()}
    for line in draft.body:
        yield "        " + filled(line, _from(in_forward, place))
        place += _count(line)


def _kind(column: Sequence[int | float]) -> str:
    return "int" if all(isinstance(value, int) for value in column) else "float"


def _count(line: Source) -> int:
    return sum(isinstance(piece, Hole) for piece in line)


def _from(names: Mapping[int, str], start: int) -> dict[int, str]:
    """Names by their places from ``start`` on."""
    return {place - start: name for place, name in names.items() if place >= start}
