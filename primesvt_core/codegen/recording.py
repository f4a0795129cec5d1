"""Which part of a model computes what: its graph, as the parts within parts that wrote it down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

from primesvt_core.layers.graph import INPUT, Flow, Node, Part, Signal
from primesvt_core.layers.model import SpikingModel


@dataclass(frozen=True)
class Call:
    """What one part computes.

    Attributes:
        path: of the part in the model; empty for the model.
        part: the part.
        inputs: what it takes, by the names of its arguments.
        outputs: what it gives.
        steps: operations, and calls of the parts in it, in order.
    """

    path: str
    part: Part
    inputs: dict[Signal, str]
    outputs: tuple[Signal, ...]
    steps: tuple[Node | Call, ...]


def taken(step: Node | Call) -> tuple[Signal, ...]:
    """Values that a step takes."""
    return tuple(step.inputs)


def given(step: Node | Call) -> tuple[Signal, ...]:
    """Values that a step gives."""
    return step.outputs if isinstance(step, Call) else (step.value,)


def calls(call: Call) -> Iterator[Call]:
    """A call, and all within it, the innermost first."""
    for step in call.steps:
        if isinstance(step, Call):
            yield from calls(step)
    yield call


def record(model: SpikingModel) -> Call:
    """Have a model write its forward pass down once more, and note which part writes."""
    recorder = _Recorder(model)
    with recorder.listening():
        model.define(recorder.flow, INPUT)
    (found,) = recorder.frames[0]
    assert isinstance(found, Call)  # noqa: S101  # the model's own
    return found


class _Recorder:
    def __init__(self, model: SpikingModel) -> None:
        self.model, self.flow = model, Flow(model)
        self.frames: list[list[Node | Call]] = [[]]
        self.seen = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let every part say when it begins and ends."""
        parts = {path: part for path, part in self.model.named_modules() if isinstance(part, Part)}
        for path, part in parts.items():
            part.__dict__["define"] = partial(self._define, path, part, part.define)
        try:
            yield
        finally:
            for part in parts.values():
                del part.__dict__["define"]

    def _define(self, path: str, part: Part, define: Callable[..., Any], flow: Flow, *args: Any) -> Any:
        self._catch_up()
        self.frames.append([])
        found = define(flow, *args)
        self._catch_up()
        steps = tuple(self.frames.pop())
        if not steps:  # it gives what it was given
            return found
        names = [*signature(type(part).define).parameters][2:]
        inputs = {arg: name for arg, name in zip(args, names, strict=False) if isinstance(arg, str)}
        outputs = found if isinstance(found, tuple) else (found,)
        self.frames[-1].append(Call(path, part, _inputs(steps, inputs), outputs, steps))
        return found

    def _catch_up(self) -> None:
        """Operations since the last time are the innermost part's."""
        nodes = self.flow.graph(INPUT).nodes
        self.frames[-1] += nodes[self.seen :]
        self.seen = len(nodes)


def _inputs(steps: tuple[Node | Call, ...], told: dict[Any, str]) -> dict[Signal, str]:
    """Arguments, and values from outside that it takes without being given them."""
    inside = {value for step in steps for value in given(step)}
    outside = dict.fromkeys(value for step in steps for value in taken(step) if value not in inside)
    others = [value for value in outside if value not in told]
    return {**told, **{value: f"other{number or ''}" for number, value in enumerate(others)}}
