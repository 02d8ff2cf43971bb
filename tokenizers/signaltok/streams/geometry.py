"""Where the cells of a signal's levels lie, in exact integers: places in raster order, moments, lines."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from signaltok.streams.stream import Stream


@dataclass(frozen=True)
class Geometry:
    """Of every cell, row by row and each row in raster order, int64 [n].

    row: its row. place: number of the point where it begins among all such points of all rows, in raster order.
    moment: number of its coordinate on the first axis. line: number of its coordinates on all axes but the last.
    counts: cells of each row. times: by moment, the coordinate on the first axis, times scale.
    """

    row: np.ndarray
    place: np.ndarray
    moment: np.ndarray
    line: np.ndarray
    counts: tuple[int, ...]
    times: np.ndarray
    scale: int

    def places(self) -> list[np.ndarray]:
        """place, a row each."""
        return np.split(self.place, np.cumsum(self.counts)[:-1])

    def ticks(self, rate: Fraction, tick: Fraction) -> np.ndarray:
        """int64: by moment, how many whole ticks have passed. rate: positions a second; tick: seconds."""
        share = 1 / (rate * tick * self.scale)
        largest = int(self.times[-1]) if len(self.times) else 0
        if largest * share.numerator >= 2**63:
            raise ValueError(
                f"a signal of {largest / self.scale} positions at {rate} a second is too long for its clock"
            )
        return self.times * share.numerator // share.denominator


def geometry(stream: Stream, grids: tuple[tuple[int, ...], ...]) -> Geometry:
    """Of a signal whose levels have these grids."""
    levels = [row.level for row in stream.rows]
    shapes = zip(grids, stream.strides, stream.whole_shares, strict=True)
    alike = len(set(shapes)) == 1  # the cells of all levels lie on each other
    counts = tuple(math.prod(grids[level]) for level in levels)
    scale = math.lcm(*(kept for kept, _ in stream.whole_shares))
    ranks = []  # by level and axis
    times = np.zeros(0, np.int64)
    for axis in range(stream.axes):
        before = 0 if stream.lead is None else stream.lead[axis] * scale
        own = [
            np.maximum(0, np.arange(grid[axis]) * (stride[axis] * of * (scale // kept)) - before)
            for grid, stride, (kept, of) in zip(grids, stream.strides, stream.whole_shares, strict=True)
        ]
        union = own[0] if alike else distinct(np.concatenate(own))
        own_ranks = [np.arange(len(union))] * len(own) if alike else [np.searchsorted(union, c) for c in own]
        ranks.append(own_ranks)
        times = union if axis == 0 else times
    widths = [1 + max((int(r[-1]) for r in own if len(r)), default=0) for own in ranks]
    keys, moments, lines = [], [], []
    for level in levels:
        grid = grids[level]
        key, line = np.zeros(grid, np.int64), np.zeros(grid, np.int64)
        for axis in range(stream.axes):
            line = key if axis == stream.axes - 1 else line
            shape = [1] * stream.axes
            shape[axis] = -1
            key = key * widths[axis] + ranks[axis][level].reshape(shape)
        keys.append(key.reshape(-1))
        lines.append(line.reshape(-1))
        first = ranks[0][level].reshape(-1, *[1] * (stream.axes - 1))
        moments.append(np.broadcast_to(first, grid).reshape(-1))
    if alike:
        place = np.tile(np.arange(counts[0]), len(levels))
    else:
        joined = np.concatenate(keys)
        place = np.searchsorted(distinct(joined), joined)
    return Geometry(
        row=np.repeat(np.arange(len(levels)), counts),
        place=place,
        moment=np.concatenate(moments).astype(np.int64),
        line=np.concatenate(lines).astype(np.int64),
        counts=counts,
        times=times,
        scale=scale,
    )


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, rising: np.unique by sorting, which is faster than its hashing where most differ."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
