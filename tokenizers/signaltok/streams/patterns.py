"""In which order, and in how many rows, a language model sees the codes of several levels.

A pattern is one rule: the cell of row q at place r stands at step `r * unroll + shifts[q]`. Rows are the levels; places
are the points of the signal at which cells begin, in raster order, numbered from 0 over all levels together, so that
levels of different rates (SNAC) lie where they belong in time.

    parallel       shifts 0, 0, ...             all levels of a place in one step
    delay          shifts 0, 1, 2, ...          MusicGen (Copet et al. 2023, section 2.2); Moshi's are 0, 1, 1, ...
    partial        unroll G, shifts are groups  MusicGen's partial flattening
    flatten        one row: by place, then level
    coarse_first   one row: by level, then place (VALL-E's first stage, VAR by scale)

A stream of one row (`line`) is made from every pattern: its cells step by step, without the empty ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

KINDS = ("parallel", "delay", "partial", "flatten", "coarse_first")
ONE_ROW = ("flatten", "coarse_first")


@dataclass(frozen=True)
class Layout:
    """Where every cell stands. row, step: int64 [n], of the cells level by level, each level in raster order."""

    row: np.ndarray
    step: np.ndarray
    rows: int
    steps: int

    @cached_property
    def cells(self) -> np.ndarray:
        """int64 [rows, steps]: the number of the cell, -1 where there is none."""
        cells = np.full((self.rows, self.steps), -1, np.int64)
        cells[self.row, self.step] = np.arange(len(self.row))
        return cells

    def mask(self) -> np.ndarray:
        """bool [rows, steps]: where codes stand."""
        return self.cells >= 0

    def apply(self, codes: np.ndarray, *, empty: int) -> np.ndarray:
        """[rows, steps] of the codes [n]; empty where there are none. ValueError for another number of codes."""
        if codes.shape != self.row.shape:
            raise ValueError(f"this layout has {len(self.row)} codes, got an array of shape {codes.shape}")
        grid = np.full((self.rows, self.steps), empty, codes.dtype)
        grid[self.row, self.step] = codes
        return grid

    def invert(self, grid: np.ndarray) -> np.ndarray:
        """The codes [n] that apply was given. ValueError for another shape."""
        if grid.shape != (self.rows, self.steps):
            raise ValueError(f"this layout has shape {(self.rows, self.steps)}, got {grid.shape}")
        return grid[self.row, self.step]

    def line(self) -> np.ndarray:
        """int64 [n]: the cells step by step, in a step row by row."""
        if self.rows == 1:
            return self.cells[0][self.cells[0] >= 0]
        return np.lexsort((self.row, self.step)) if len(self.row) else self.row


@dataclass(frozen=True)
class Pattern:
    """kind: one of KINDS. shifts: of each level, for delay and partial alone."""

    kind: str
    shifts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no pattern {self.kind!r}; the patterns are {', '.join(KINDS)}")
        if (self.kind in ("delay", "partial")) != bool(self.shifts):
            needs = "needs a shift for each level" if not self.shifts else "takes no shifts"
            raise ValueError(f"the pattern {self.kind} {needs}, got {self.shifts}")
        if any(shift < 0 for shift in self.shifts):
            raise ValueError(f"shifts are 0 or more steps, got {self.shifts}")
        if self.kind == "partial" and set(self.shifts) != set(range(max(self.shifts) + 1)):
            raise ValueError(f"groups are numbered 0, 1, ... without a gap, got {self.shifts}")

    def check_levels(self, levels: int) -> None:
        """ValueError where the shifts are not one a level."""
        if self.shifts and len(self.shifts) != levels:
            raise ValueError(f"the pattern {self.kind} has {len(self.shifts)} shifts for {levels} levels")

    def layout(self, places: Sequence[np.ndarray], levels: Sequence[int]) -> Layout:
        """places: int64 [n_r] of each row, the number of the place where each of its cells begins, rising, from 0.

        levels: of each row, whose shift it takes.
        """
        counts = [len(own) for own in places]
        place = np.concatenate([np.zeros(0, np.int64), *places])
        row = np.repeat(np.arange(len(places)), counts)
        if self.kind == "coarse_first":
            return _one_row(np.arange(len(place)))
        if self.kind == "flatten":
            order = np.argsort(place, kind="stable")  # cells are sorted by row already
            step = np.empty_like(order)
            step[order] = np.arange(len(order))
            return _one_row(step)
        shifts = np.array([self.shifts[level] if self.shifts else 0 for level in levels], np.int64)
        unroll = max(self.shifts) + 1 if self.kind == "partial" else 1
        step = place * unroll + shifts[row]
        if self.kind == "partial":
            steps = (int(place.max()) + 1) * unroll if len(place) else 0
        else:
            steps = int(step.max()) + 1 if len(step) else 0
        return Layout(row=row, step=step, rows=len(places), steps=steps)


def _one_row(step: np.ndarray) -> Layout:
    return Layout(row=np.zeros(len(step), np.int64), step=step, rows=1, steps=len(step))
