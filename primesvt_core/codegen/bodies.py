"""The forward pass of a part, as statements."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from primesvt_core.codegen.formulas import Scope, formula
from primesvt_core.codegen.members import stem
from primesvt_core.codegen.places import attribute
from primesvt_core.codegen.recording import Call, given, taken
from primesvt_core.codegen.sources import Hole, Source, filled, joined, unused_name
from primesvt_core.layers.graph import Add, Apply, Attend, Channels, Fire, Node, Planes, Signal, Stateless

LONGEST = 72
"""Of an expression that holds another one."""

LONGEST_LINE = 104
"""With its comment, without its indentation."""

LETTERS: Mapping[int, str] = {3: "C", 4: "CN", 5: "CHW", 6: "hCNM"}
"""By the number of dimensions, what stands for those behind T and B."""

Step = Node | Call


@dataclass
class Body:
    """Writes one part's forward pass.

    Attributes:
        model: the whole.
        call: what the part computes.
        shapes: of all values, for one image.
        paths: of modules.
        lines: statements so far.
        tensors: parameters and buffers that they use beside those of layers.
    """

    model: nn.Module
    call: Call
    shapes: Mapping[Signal, tuple[int, ...]]
    paths: Mapping[int, str]
    lines: list[Source] = field(default_factory=list)
    tensors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names: dict[Signal, str] = dict(self.call.inputs)
        self.pending: dict[Signal, Source] = {}
        self.holding: set[Signal] = set()  # values whose expressions hold another one
        self.uses = Counter([*self.call.outputs, *(value for step in self.call.steps for value in {*taken(step)})])
        self.wanted = _wanted(self.call.steps)

    def write(self) -> list[Source]:
        """All statements, the last of which returns."""
        steps, index = self.call.steps, 0
        while index < len(steps):
            run = self._run(index)
            if len(run) > 1:
                self._loop(run, index)
            else:
                self._step(index)
            index += len(run)
        self.lines.append(("return ", *joined(", ", (self._operand(value) for value in self.call.outputs))))
        return self.lines

    def shape(self, value: Signal) -> Source:
        """A comment that says a value's shape."""
        sizes = self.shapes[value]
        letters = LETTERS.get(len(sizes), "?" * (len(sizes) - 2))
        pieces = [(Hole(size, letter=letter),) for size, letter in zip(sizes[2:], letters, strict=True)]
        if len(sizes) == 2:  # logits
            return ("(B, ", Hole(sizes[1], letter="classes"), ")")
        return ("(T, B, ", *joined(", ", pieces), ")")

    def _step(self, index: int) -> None:
        step = self.call.steps[index]
        values = given(step)
        if any(value in self.pending for value in taken(step)):
            self.holding.add(values[0])
        expression = self._expression(step)
        if self._is_nested(index, expression):
            self.pending[values[0]] = expression
            return
        names = [self._name(value, index) for value in values]
        shape = self.shape(values[0]) if len(values) == 1 else joined("; ", map(self.shape, values))
        line: Source = (f"{', '.join(names)} = ", *expression)
        is_long = len(filled(line)) + len(filled(shape)) > LONGEST_LINE
        self.lines += [("# ", *shape), line] if is_long else [(*line, "  # ", *shape)]

    def _is_nested(self, index: int, expression: Source) -> bool:
        """Whether a value is written where it is used rather than under a name of its own."""
        step, steps = self.call.steps[index], self.call.steps
        (value, *others) = given(step)
        if others or self.uses[value] != 1 or len(filled(expression)) > LONGEST:
            return False
        if index + 1 == len(steps):
            return self.call.outputs == (value,)
        if (isinstance(step, Node) and isinstance(step.op, Add | Attend)) or self._run_length(index + 1) > 1:
            return False
        following = steps[index + 1]
        op = following.op if isinstance(following, Node) else None
        inputs = [*taken(following)]
        if inputs.count(value) != 1:
            return False
        if isinstance(op, Apply) and not op.by_channel:  # which may use it more than once
            return False
        if isinstance(op, Add) or (isinstance(op, Planes) and value == inputs[0]):
            return True
        return len(inputs) == 1 and value not in self.holding

    def _operand(self, value: Signal) -> Source:
        return self.pending.pop(value) if value in self.pending else (self.names[value],)

    def _expression(self, step: Step) -> Source:
        operands = [self._operand(value) for value in taken(step)]
        if isinstance(step, Call):
            return (self._self(step.path), "(", *joined(", ", operands), ")")
        return self._operation(step, operands)

    def _operation(self, node: Node, operands: Sequence[Source]) -> Source:
        op, first = node.op, operands[0]
        if isinstance(op, Stateless):
            layers = ", ".join(self._layers(op.modules))
            return ("each_step(", *first, f", {layers})")
        if isinstance(op, Fire):
            return (self._self(self.paths[id(op.neuron)]), "(", *first, ")")
        if isinstance(op, Add):
            return joined(" + ", operands)
        if isinstance(op, Attend):
            given_ = joined(", ", operands)
            return (
                "attention(",
                *given_,
                ", heads=",
                Hole(op.num_heads, "heads"),
                ", scale=",
                Hole(op.scale, "scale"),
                ")",
            )
        if isinstance(op, Channels):
            start, end = Hole(op.start, "start"), Hole(op.start + op.width, "end")
            return (*first, "[:, :, ", start, ":", end, "]")
        return self._shaped(node, operands)

    def _shaped(self, node: Node, operands: Sequence[Source]) -> Source:
        if isinstance(node.op, Planes):
            x, like = operands
            return (*x, ".unflatten(3, ", *like, ".shape[3:])")
        assert isinstance(node.op, Apply)  # noqa: S101  # the graph has no other
        wanted, local = _usual(node, node.value, self.paths), list[str]()

        def assign(expression: Source) -> str:
            name = unused_name(wanted, [*self.names.values(), *local])
            local.append(name)
            self.lines.append((f"{name} = ", *expression))
            return name

        return formula(node.value, node.op, operands, Scope(self.call.path, self.model, assign, self.tensors))

    def _layers(self, modules: Sequence[nn.Module]) -> list[str]:
        """Layers, whole containers instead of all that is in them."""
        found, place = [], 0
        paths = [self.paths[id(module)] for module in modules]
        while place < len(paths):
            path, count = _largest(self.model, self.call.path, paths[place:])
            found.append(self._self(path))
            place += count
        return found

    def _self(self, path: str) -> str:
        return attribute(self.call.path, path)

    def _name(self, value: Signal, index: int) -> str:
        """What a value is called: not as any other that is still needed."""
        step = self.call.steps[index]
        later = {name for other in self.call.steps[index + 1 :] for name in taken(other)} | {*self.call.outputs}
        alive = [self.names[name] for name in later if name in self.names]
        found = self.names[value] = unused_name(self.wanted.get(value) or _usual(step, value, self.paths), alive)
        return found

    def _run(self, index: int) -> Sequence[Step]:
        return self.call.steps[index : index + self._run_length(index)]

    def _run_length(self, index: int) -> int:
        """How many calls from here on are those of the modules of one list, each taking what the one before gives."""
        steps, found = self.call.steps[index:], 0
        first = steps[0]
        if not isinstance(first, Call) or not first.path.endswith(".0"):
            return 1
        parent = self.model.get_submodule(first.path.removesuffix(".0"))
        for number, step in enumerate(steps):
            if not isinstance(step, Call) or step.path != f"{first.path.removesuffix('.0')}.{number}":
                break
            if len(step.inputs) != 1 or len(step.outputs) != 1:
                break
            if number and (taken(step) != given(steps[number - 1]) or self.uses[taken(step)[0]] != 1):
                break
            found += 1
        return found if found > 1 and found == len([*parent.children()]) else 1

    def _loop(self, run: Sequence[Step], index: int) -> None:
        first, last = run[0], run[-1]
        assert isinstance(first, Call)  # noqa: S101  # as `_run_length` has it
        (source,), (value,) = taken(first), given(last)
        operand = self._operand(source)
        name = self._name(value, index + len(run) - 1)
        if operand != (name,):
            self.lines.append((f"{name} = ", *operand))
        self.lines.append((f"for part in {self._self(first.path.removesuffix('.0'))}:",))
        self.lines.append((f"    {name} = part({name})  # ", *self.shape(value)))


def _wanted(steps: Sequence[Step]) -> dict[Signal, str]:
    """Queries, keys and values that are cut out of one tensor."""
    attends = [step for step in steps if isinstance(step, Node) and isinstance(step.op, Attend)]
    return {value: name for node in attends for value, name in zip(node.inputs, "qkv", strict=True)}


def _usual(step: Step, value: Signal, paths: Mapping[int, str]) -> str:
    if isinstance(step, Call):
        return "x"
    op = step.op
    if isinstance(op, Fire):
        return stem(paths[id(op.neuron)].rpartition(".")[2], "spikes")
    if isinstance(op, Stateless):
        return stem(paths[id(op.modules[0])].rpartition(".")[2], "currents")
    if isinstance(op, Add | Planes):
        return "x"
    if isinstance(op, Attend):
        return "attended"
    name = re.sub(r"\W", "_", value.partition("#")[0])
    return f"{name}_" if keyword.iskeyword(name) else name


def _largest(model: nn.Module, scope: str, paths: Sequence[str]) -> tuple[str, int]:
    """The largest container whose layers are the first ones of these, and how many these are."""
    found, count, path = paths[0], 1, paths[0]
    while (path := path.rpartition(".")[0]) and path != scope:
        container = model.get_submodule(path)
        if type(container).forward is not nn.Sequential.forward:
            break
        leaves = [*_leaves(path, container)]
        if [*paths[: len(leaves)]] != leaves:
            break
        found, count = path, len(leaves)
    return found, count


def _leaves(path: str, module: nn.Module) -> Iterator[str]:
    """Paths of the layers in nested containers."""
    if not isinstance(module, nn.Sequential):
        yield from () if isinstance(module, nn.Identity) else (path,)
        return
    for name, child in module.named_children():
        yield from _leaves(f"{path}.{name}", child)
