"""Two loops for numba, written in LLVM's words: it keeps sums in vector registers, and compares many values at once.

numba's compiler does neither by itself where the channels that fired decide which weights are added.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16
"""Values that are compared with zero at once."""

REGISTER_BYTES = 64
"""Of one vector of sums; processors with narrower registers take several for it."""

PART = 32
"""Sums of a part of a tile."""

INDEX = ir.IntType(64)
MAY_FUSE = ("contract",)
"""A product and a sum may be one instruction, rounded once."""


def _find(_context: Any, values: Any, start: Any, stop: Any, first: Any, where: Any, what: Any, count: Any) -> Any:
    """Note which of ``values[start:stop]`` are not zero: their places less ``first`` in ``where``, they in ``what``.

    Both are written from ``count`` on, which returns as it is then; ``stop - start`` is a multiple of `LANES`.
    """
    signature = types.int64(values, start, stop, first, where, what, count)

    def generate(context: Any, builder: Any, given: Any, args: Any) -> Any:
        data = [context.make_array(given.args[n])(context, builder, args[n]).data for n in (0, 4, 5)]
        return _write_find(builder, context.get_data_type(values.dtype), values.dtype.bitwidth // 8, data, args)

    return signature, generate


find: Any = intrinsic(_find)


def _accumulate(
    _context: Any, sums: Any, weight: Any, base: Any, where: Any, what: Any, start: Any, stop: Any, parts: Any
) -> Any:
    """``sums += what[k] * weight[(base + where[k]) * tile:][:tile]`` for all k from start to stop.

    The tile is `PART` times the length of the tuple ``parts``, whose type tells it to the compiler.
    """
    signature = types.void(sums, weight, base, where, what, start, stop, parts)

    def generate(context: Any, builder: Any, given: Any, args: Any) -> Any:
        data = [context.make_array(given.args[n])(context, builder, args[n]).data for n in (0, 1, 3, 4)]
        number, size = context.get_data_type(sums.dtype), sums.dtype.bitwidth // 8
        _write_accumulate(builder, number, size, PART * parts.count, data, (args[2], args[5], args[6]))
        return context.get_dummy_value()

    return signature, generate


accumulate: Any = intrinsic(_accumulate)


def _write_accumulate(builder: Any, number: Any, size: int, tile: int, data: Any, bounds: Any) -> None:
    sums_at, weight_at, where_at, what_at = data
    base, start, stop = bounds
    lanes = REGISTER_BYTES // size
    vector = ir.VectorType(number, lanes)

    def load(pointer: Any) -> Any:
        loaded = builder.load(pointer)
        loaded.align = size
        return loaded

    own = builder.bitcast(sums_at, vector.as_pointer())
    places = [builder.gep(own, [ir.Constant(INDEX, n)]) for n in range(tile // lanes)]
    begun, before = [load(place) for place in places], builder.block
    head, body, end = map(builder.function.append_basic_block, ("head", "body", "end"))
    builder.branch(head)

    builder.position_at_end(head)
    k = builder.phi(INDEX)
    k.add_incoming(start, before)
    sums = [builder.phi(vector) for _ in places]
    for total, first in zip(sums, begun, strict=True):
        total.add_incoming(first, before)
    builder.cbranch(builder.icmp_signed("<", k, stop), body, end)

    builder.position_at_end(body)
    channel = builder.zext(builder.load(builder.gep(where_at, [k])), INDEX)
    value = _everywhere(builder, vector, lanes, builder.load(builder.gep(what_at, [k])))
    at = builder.mul(builder.add(base, channel), ir.Constant(INDEX, tile))
    row = builder.bitcast(builder.gep(weight_at, [at]), vector.as_pointer())
    for n, total in enumerate(sums):
        weights = load(builder.gep(row, [ir.Constant(INDEX, n)]))
        total.add_incoming(builder.fadd(total, builder.fmul(value, weights, flags=MAY_FUSE), flags=MAY_FUSE), body)
    k.add_incoming(builder.add(k, ir.Constant(INDEX, 1)), body)
    builder.branch(head)

    builder.position_at_end(end)
    for total, place in zip(sums, places, strict=True):
        builder.store(total, place).align = size


def _everywhere(builder: Any, vector: Any, lanes: int, value: Any) -> Any:
    """A vector with one value in every lane."""
    small, undefined = ir.IntType(32), ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(small, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(small, lanes), [0] * lanes))


def _write_find(builder: Any, number: Any, size: int, data: Any, args: Any) -> Any:
    values_at, where_at, what_at = data
    _, start, stop, first, _, _, begun = args
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
    channel = builder.trunc(builder.sub(place, first), ir.IntType(16))
    builder.store(channel, builder.gep(where_at, [number_of]))
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
