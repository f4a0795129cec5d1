"""Orders in which channels are removed, one after another, each the one that costs the least once others are gone.

`Reader` is block-wise optimal brain surgery (Hassibi and Stork 1993) on a layer's inputs: with H the inverse of their
covariance, removing the columns j of a channel and refitting all that are left costs ``tr(W_jᵀ H_jj⁻¹ W_j)``, and
afterwards ``W -= W_j H_jj⁻¹ H_j:``, ``H -= H_:j H_jj⁻¹ H_j:``. The updates are low-rank, and put off: what is needed of
H and W in between is a few columns, so that both are written once for many channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.linalg import cholesky, solve_triangular

RIDGE = 1e-3
"""Of the mean variance of an input, added to each: inputs of one another's copies, and silent ones, have an inverse."""

PANEL = 128
"""Columns that are removed before H and W are written."""

NEVER = float("inf")


class Reader:
    """What one layer, or one group of a convolution, loses with channels that it reads.

    Args:
        weight: ``(rows, columns)`` float64, in units of what an error counts in.
        covariance: ``(columns, columns)`` float64, of its input.
        channels: that it reads.
        columns: ``(len(channels), kernel)``, those of each channel.

    Attributes:
        channels: that are left, or were when H and W were written.
    """

    alive: Tensor
    """``(channels,)``, which of them are left."""
    blocks: Tensor
    """``(channels, kernel, kernel)``: H's of each."""
    energy: Tensor
    """The same of WᵀW."""
    factor: Tensor
    change: Tensor
    """What is put off: H is ``inverse - factor factorᵀ``, W is ``weight - change factorᵀ``."""

    def __init__(self, weight: Tensor, covariance: Tensor, channels: Sequence[int], columns: Tensor) -> None:
        self.kernel = columns.shape[1]
        self.channels = [*channels]
        others = torch.ones(len(covariance), dtype=torch.bool)
        others[columns.flatten()] = False
        order = torch.cat([columns.flatten(), others.nonzero().flatten()])  # channel by channel, then other groups'
        ridge = RIDGE * covariance.diagonal().mean()
        damped = covariance[order][:, order]
        damped.diagonal().add_(ridge)
        self.inverse = torch.cholesky_inverse(cholesky(damped))
        weight = weight[:, order]
        # Only WᵀW counts: no more rows are needed than there are columns.
        self.weight = weight if len(weight) <= weight.shape[1] else torch.linalg.qr(weight, mode="r").R
        self._begin()

    def costs(self) -> Tensor:
        """``(len(channels),)`` float64: what removing each would cost now; infinite of those that are gone."""
        if self.kernel == 1:
            found = (self.energy / self.blocks).flatten()
        else:
            solved = torch.cholesky_solve(self.energy, cholesky(self.blocks))
            found = solved.diagonal(dim1=1, dim2=2).sum(1)
        return found.clamp_min(0.0).masked_fill(~self.alive, NEVER)

    def remove(self, channel: int) -> None:
        """Take a channel away, and refit the others."""
        at, kernel = self.channels.index(channel), self.kernel
        own = slice(at * kernel, (at + 1) * kernel)
        column = self.inverse[:, own] - self.factor @ self.factor[own].T
        weight = self.weight[:, own] - self.change @ self.factor[own].T
        root = cholesky(column[own])
        u = solve_triangular(root, column.T, upper=False).T
        v = solve_triangular(root, weight.T, upper=False).T
        cross = self.weight.T @ v - self.factor @ (self.change.T @ v)
        self.factor, self.change = torch.cat([self.factor, u], 1), torch.cat([self.change, v], 1)
        self._update(u, v, cross)
        self.alive[at] = False
        self.blocks[at], self.energy[at] = torch.eye(kernel, dtype=u.dtype), 0.0
        if self.factor.shape[1] >= PANEL:
            self._write()

    def _update(self, u: Tensor, v: Tensor, cross: Tensor) -> None:
        """Bring the blocks on H's diagonal, and those of WᵀW, up to date."""
        count = len(self.channels) * self.kernel
        mine, meets = (x[:count].view(-1, self.kernel, self.kernel) for x in (u, cross))
        back = mine.transpose(1, 2)
        self.blocks -= mine @ back
        mixed = mine @ meets.transpose(1, 2)
        self.energy += mine @ (v.T @ v) @ back - mixed - mixed.transpose(1, 2)

    def _write(self) -> None:
        """Write H and W, without what is gone."""
        own = self.alive.repeat_interleave(self.kernel)
        left = torch.cat([own, torch.ones(len(self.inverse) - len(own), dtype=torch.bool)]).nonzero().flatten()
        factor = self.factor[left]
        self.weight = self.weight[:, left] - self.change @ factor.T
        self.inverse = self.inverse[left][:, left].addmm_(factor, factor.T, alpha=-1)
        self.channels = [channel for channel, is_left in zip(self.channels, self.alive, strict=True) if is_left]
        self._begin()

    def _begin(self) -> None:
        """Begin to put updates off; blocks are computed anew, so that rounding does not add up."""
        count, kernel = len(self.channels), self.kernel
        own = self.inverse[: count * kernel, : count * kernel].view(count, kernel, count, kernel)
        self.blocks = own.diagonal(dim1=0, dim2=2).permute(2, 0, 1).clone()
        weight = self.weight[:, : count * kernel].T.reshape(count, kernel, len(self.weight))
        self.energy = weight @ weight.transpose(1, 2)
        self.alive = torch.ones(count, dtype=torch.bool)
        self.factor = self.inverse.new_empty(len(self.inverse), 0)
        self.change = self.weight.new_empty(len(self.weight), 0)


def order_by_readers(readers: Sequence[Reader], size: int, parts: int) -> list[int]:
    """Channels in the order in which they are removed; see `removal_order`. A channel's cost is summed over readers."""
    costs = torch.zeros(size, dtype=torch.float64)
    own: list[Tensor] = []
    of_channel: list[list[int]] = [[] for _ in range(size)]
    for number, reader in enumerate(readers):
        own.append(_spread(reader, size))
        for channel in reader.channels:
            of_channel[channel].append(number)
    for each in own:
        costs += each

    def remove(channel: int) -> Tensor:
        for number in of_channel[channel]:
            readers[number].remove(channel)
            own[number] = _spread(readers[number], size)
        return torch.stack(own).sum(0) if own else costs

    return removal_order(costs, remove, parts)


def order_by_overlaps(overlaps: Tensor) -> list[int]:
    """Channels in the order in which they are removed, where nothing makes up for them; see `removal_order`.

    Args:
        overlaps: ``(parts, run, run)``; what a sum over channels loses with some of them is the sum of their overlaps.
    """
    parts, run, _ = overlaps.shape
    costs = overlaps.diagonal(dim1=1, dim2=2).clone()

    def remove(channel: int) -> Tensor:
        part, at = divmod(channel, run)
        costs[part] += 2 * overlaps[part, at]
        return costs.flatten()

    return removal_order(costs.flatten(), remove, parts)


def removal_order(costs: Tensor, remove: Callable[[int], Tensor], parts: int) -> list[int]:
    """All channels, the cheapest first, in rounds in which every part loses one.

    Args:
        costs: ``(size,)``, of each channel alone.
        remove: takes a channel away; returns what each of the others costs then.
        parts: equal runs of channels, over which the removal must be even.
    """
    run = len(costs) // parts
    is_left, is_waiting = torch.ones(parts, run, dtype=torch.bool), torch.ones(parts, 1, dtype=torch.bool)
    order: list[int] = []
    while len(order) < len(costs):
        if not is_waiting.any():
            is_waiting.fill_(value=True)
        channel = int(costs.masked_fill(~(is_left & is_waiting).flatten(), NEVER).argmin())
        order.append(channel)
        is_left.view(-1)[channel] = False
        is_waiting[channel // run] = False
        costs = remove(channel)
    return order


def _spread(reader: Reader, size: int) -> Tensor:
    """``(size,)``: a reader's costs, 0 of channels that it does not read."""
    costs = torch.zeros(size, dtype=torch.float64)
    costs[reader.channels] = reader.costs()
    return costs
