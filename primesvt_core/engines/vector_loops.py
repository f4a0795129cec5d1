"""Inner loops for numba, written in LLVM's words: sums and membranes stay in vector registers, many values at once.

numba's compiler does neither by itself where the channels that fired decide which weights are added, nor where spikes
may take the place of currents.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16
"""Values that are compared with zero at once; as many places are written beyond the last one found."""

REGISTER_BYTES = 64
"""Of one vector of sums; processors with narrower registers take several for it."""

PART = 32
"""Sums of a part of a tile."""

INDEX = ir.IntType(64)
PLACE = ir.IntType(32)
MAY_FUSE = ("contract",)
"""A product and a sum may be one instruction, rounded once."""


def _find(_context: Any, values: Any, start: Any, stop: Any, scale: Any, where: Any, what: Any, count: Any) -> Any:
    """Note which of ``values[start:stop]`` are not zero: their places from 0 on, times ``scale``, and they themselves.

    They are written to ``where`` (int32) and ``what`` from ``count`` on, which returns as it is then; ``stop - start``
    is a multiple of `LANES`.
    """
    signature = types.int64(values, start, stop, scale, where, what, count)

    def generate(context: Any, builder: Any, given: Any, args: Any) -> Any:
        data = [context.make_array(given.args[n])(context, builder, args[n]).data for n in (0, 4, 5)]
        packs = values.dtype == types.float32 and "+avx512f" in context.codegen().magic_tuple()[2].split(",")
        write = _write_packing if packs else _write_noting
        return write(builder, context.get_data_type(values.dtype), values.dtype.bitwidth // 8, data, args)

    return signature, generate


find: Any = intrinsic(_find)


def _accumulate(
    _context: Any,
    found: Any,
    to: Any,
    begin: Any,
    at: Any,
    weight: Any,
    base: Any,
    where: Any,
    what: Any,
    start: Any,
    stop: Any,
    parts: Any,
) -> Any:
    """``found[to:] = begin[at:] + what[k] * weight[base + where[k]:]`` for all k from start to stop, a tile of each.

    The tile is `PART` times the length of the tuple ``parts``, whose type tells it to the compiler.
    """  # fmt: skip
    signature = types.void(found, to, begin, at, weight, base, where, what, start, stop, parts)

    def generate(context: Any, builder: Any, given: Any, args: Any) -> Any:
        data = [context.make_array(given.args[n])(context, builder, args[n]).data for n in (0, 2, 4, 6, 7)]
        number, size = context.get_data_type(weight.dtype), weight.dtype.bitwidth // 8
        at = (args[1], args[3], args[5], args[8], args[9])
        _write_accumulate(builder, number, size, PART * parts.count, data, at)
        return context.get_dummy_value()

    return signature, generate


accumulate: Any = intrinsic(_accumulate)


def _add(_context: Any, found: Any, to: Any, factor: Any, numbers: Any, at: Any) -> Any:
    """``found[to:] += factor * numbers[at:]``, `LANES` of each."""
    signature = types.void(found, to, factor, numbers, at)

    def generate(context: Any, builder: Any, given: Any, args: Any) -> Any:
        data = [context.make_array(given.args[n])(context, builder, args[n]).data for n in (0, 3)]
        size = found.dtype.bitwidth // 8
        vector = ir.VectorType(context.get_data_type(found.dtype), LANES)
        own, other = (
            builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())
            for pointer, index in zip(data, (args[1], args[4]), strict=True)
        )
        begun, values = builder.load(own), builder.load(other)
        begun.align = values.align = size
        product = builder.fmul(_everywhere(builder, vector, args[2]), values, flags=MAY_FUSE)
        builder.store(builder.fadd(begun, product, flags=MAY_FUSE), own).align = size
        return context.get_dummy_value()

    return signature, generate


add: Any = intrinsic(_add)


def _fire(
    _context: Any,
    currents: Any,
    at: Any,
    apart: Any,
    spikes: Any,
    to: Any,
    spikes_apart: Any,
    steps: Any,
    factor: Any,
    threshold: Any,
    divides: Any,
) -> Any:
    """`LANES` leaky neurons from rest at all time steps: ``currents[at + t * apart:]`` to spikes, 0 or 1.

    They go to ``spikes[to + t * spikes_apart:]``, which may be the same memory. The currents are divided by ``factor``
    where ``divides`` is true, a compile-time constant, and multiplied by it otherwise.
    """  # fmt: skip
    signature = types.void(currents, at, apart, spikes, to, spikes_apart, steps, factor, threshold, divides)

    def generate(context: Any, builder: Any, given: Any, args: Any) -> Any:
        data = [context.make_array(given.args[n])(context, builder, args[n]).data for n in (0, 3)]
        vector = ir.VectorType(context.get_data_type(currents.dtype), LANES)
        change = builder.fdiv if divides.literal_value else builder.fmul
        _write_fire(builder, vector, currents.dtype.bitwidth // 8, change, data, args)
        return context.get_dummy_value()

    return signature, generate


fire: Any = intrinsic(prefer_literal=True)(_fire)


def _write_fire(builder: Any, vector: Any, size: int, change: Any, data: Any, args: Any) -> None:
    _, at, apart, _, to, spikes_apart, steps, factor, threshold, _ = args
    share, limit = _everywhere(builder, vector, factor), _everywhere(builder, vector, threshold)
    zero, one = ir.Constant(vector, None), ir.Constant(vector, [1.0] * LANES)
    before = builder.block
    head, body, end = map(builder.function.append_basic_block, ("head", "body", "end"))
    builder.branch(head)

    builder.position_at_end(head)
    t, read, write, membranes = (builder.phi(kind) for kind in (INDEX, INDEX, INDEX, vector))
    for phi, value in ((t, ir.Constant(INDEX, 0)), (read, at), (write, to), (membranes, zero)):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", t, steps), body, end)

    builder.position_at_end(body)
    x, spikes = (
        builder.bitcast(builder.gep(pointer, [place]), vector.as_pointer())
        for pointer, place in zip(data, (read, write), strict=True)
    )
    current = builder.load(x)
    current.align = size
    charged = builder.fadd(membranes, change(builder.fsub(current, membranes), share))
    fires = builder.fcmp_ordered(">=", charged, limit)
    builder.store(builder.select(fires, one, zero), spikes).align = size
    membranes.add_incoming(builder.select(fires, zero, charged), body)
    for phi, step in ((t, ir.Constant(INDEX, 1)), (read, apart), (write, spikes_apart)):
        phi.add_incoming(builder.add(phi, step), body)
    builder.branch(head)

    builder.position_at_end(end)


def _write_accumulate(builder: Any, number: Any, size: int, tile: int, data: Any, bounds: Any) -> None:
    found, begin, weight, where_at, what_at = data
    to, at, base, start, stop = bounds
    lanes = REGISTER_BYTES // size
    vector = ir.VectorType(number, lanes)

    def places(data: Any, index: Any) -> Any:
        first = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
        return [builder.gep(first, [ir.Constant(INDEX, n)]) for n in range(tile // lanes)]

    def load(pointer: Any) -> Any:
        loaded = builder.load(pointer)
        loaded.align = size
        return loaded

    begun, rows = [load(place) for place in places(begin, at)], builder.gep(weight, [base])
    before = builder.block
    head, body, end = map(builder.function.append_basic_block, ("head", "body", "end"))
    builder.branch(head)

    builder.position_at_end(head)
    k = builder.phi(INDEX)
    k.add_incoming(start, before)
    sums = [builder.phi(vector) for _ in begun]
    for total, first in zip(sums, begun, strict=True):
        total.add_incoming(first, before)
    builder.cbranch(builder.icmp_signed("<", k, stop), body, end)

    builder.position_at_end(body)
    row = builder.zext(builder.load(builder.gep(where_at, [k])), INDEX)
    value = _everywhere(builder, vector, builder.load(builder.gep(what_at, [k])))
    for total, place in zip(sums, places(rows, row), strict=True):
        product = builder.fmul(value, load(place), flags=MAY_FUSE)
        total.add_incoming(builder.fadd(total, product, flags=MAY_FUSE), body)
    k.add_incoming(builder.add(k, ir.Constant(INDEX, 1)), body)
    builder.branch(head)

    builder.position_at_end(end)
    for total, place in zip(sums, places(found, to), strict=True):
        builder.store(total, place).align = size


def _everywhere(builder: Any, vector: Any, value: Any) -> Any:
    """A vector with one value in every lane."""
    small, undefined = ir.IntType(32), ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(small, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(small, vector.count), [0] * vector.count))


def _write_packing(builder: Any, number: Any, size: int, data: Any, args: Any) -> Any:
    """With AVX-512: those of a vector that are not zero are moved to its beginning, and written, all at once."""
    values_at, where_at, what_at = data
    _, start, stop, scale, _, _, begun = args
    vector, index = ir.VectorType(number, LANES), ir.VectorType(PLACE, LANES)
    scales = _everywhere(builder, index, builder.trunc(scale, PLACE))
    first = builder.mul(ir.Constant(index, [*range(LANES)]), scales)
    apart = builder.mul(ir.Constant(index, [LANES] * LANES), scales)
    before = builder.block
    head, body, end = map(builder.function.append_basic_block, ("scan", "pack", "packed"))
    builder.branch(head)

    builder.position_at_end(head)
    at, count, places = builder.phi(INDEX), builder.phi(INDEX), builder.phi(index)
    for phi, value in ((at, start), (count, begun), (places, first)):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", at, stop), body, end)

    builder.position_at_end(body)
    values = builder.load(builder.bitcast(builder.gep(values_at, [at]), vector.as_pointer()))
    values.align = size
    mask = builder.fcmp_unordered("!=", values, ir.Constant(vector, None))
    for x, kind, name, data_at in ((values, vector, "v16f32", what_at), (places, index, "v16i32", where_at)):
        packed = _packed(builder, x, kind, name, mask)
        builder.store(packed, builder.bitcast(builder.gep(data_at, [count]), kind.as_pointer())).align = 4
    bits = builder.ctpop(builder.bitcast(mask, ir.IntType(LANES)))
    at.add_incoming(builder.add(at, ir.Constant(INDEX, LANES)), body)
    count.add_incoming(builder.add(count, builder.zext(bits, INDEX)), body)
    places.add_incoming(builder.add(places, apart), body)
    builder.branch(head)

    builder.position_at_end(end)
    return count


def _packed(builder: Any, x: Any, kind: Any, name: str, mask: Any) -> Any:
    module, full = builder.module, f"llvm.x86.avx512.mask.compress.{name}"
    function = module.globals.get(full) or ir.Function(module, ir.FunctionType(kind, [kind, kind, mask.type]), full)
    return builder.call(function, [x, ir.Constant(kind, None), mask])


def _write_noting(builder: Any, number: Any, size: int, data: Any, args: Any) -> Any:
    """Everywhere: those of a vector that are not zero are noted one by one."""
    values_at, where_at, what_at = data
    _, start, stop, scale, _, _, begun = args
    vector, bits = ir.VectorType(number, LANES), ir.IntType(LANES)
    before = builder.block
    head, body, note, end = map(builder.function.append_basic_block, ("scan", "compare", "note", "scanned"))
    builder.branch(head)

    builder.position_at_end(head)
    at, count = builder.phi(INDEX), builder.phi(INDEX)
    at.add_incoming(start, before)
    count.add_incoming(begun, before)
    builder.cbranch(builder.icmp_signed("<", at, stop), body, end)

    builder.position_at_end(body)
    values = builder.load(builder.bitcast(builder.gep(values_at, [at]), vector.as_pointer()))
    values.align = size
    mask = builder.bitcast(builder.fcmp_unordered("!=", values, ir.Constant(vector, None)), bits)
    after = builder.add(at, ir.Constant(INDEX, LANES))
    at.add_incoming(after, body)
    count.add_incoming(count, body)
    builder.cbranch(builder.icmp_unsigned("!=", mask, ir.Constant(bits, 0)), note, head)

    builder.position_at_end(note)  # once for every bit of the mask
    left, number_of = builder.phi(bits), builder.phi(INDEX)
    left.add_incoming(mask, body)
    number_of.add_incoming(count, body)
    place = builder.add(at, builder.zext(builder.cttz(left, ir.Constant(ir.IntType(1), 1)), INDEX))
    channel = builder.mul(builder.sub(place, start), scale)
    builder.store(builder.trunc(channel, PLACE), builder.gep(where_at, [number_of]))
    builder.store(builder.load(builder.gep(values_at, [place])), builder.gep(what_at, [number_of]))
    rest = builder.and_(left, builder.sub(left, ir.Constant(bits, 1)))
    more = builder.add(number_of, ir.Constant(INDEX, 1))
    left.add_incoming(rest, note)
    number_of.add_incoming(more, note)
    at.add_incoming(after, note)
    count.add_incoming(more, note)
    builder.cbranch(builder.icmp_unsigned("!=", rest, ir.Constant(bits, 0)), note, head)

    builder.position_at_end(end)
    return count
