"""A block of one signal as a form: its header says which, and the form says what may stand at each of its positions.

begin, the digits of the sizes, then codes and markers as the pattern has them, end. Everything but the codes is fixed
by the sizes, so a block has exactly one valid length.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from signaltok.streams.errors import TokenDataError
from signaltok.streams.geometry import Geometry, geometry
from signaltok.streams.stream import Numbers, Stream, digits_of
from signaltok.streams.vocabulary import NUMBER_SIZE, TICK_DIGITS, Vocabulary

CODE = -1  # in Form.ids: a code stands here


@dataclass(frozen=True)
class Form:
    """ids int64 [length]: what is fixed, CODE where a code stands.

    positions, cells, offsets, sizes: int64 [n], of the codes in the order of the line: where one stands in ids, which
    cell it is, the first id and the size of its row.
    """

    ids: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray

    def fill(self, symbols: np.ndarray) -> np.ndarray:
        """The ids of a block from the symbols of all cells."""
        ids = self.ids.copy()
        ids[self.positions] = symbols[self.cells] + self.offsets
        return ids

    def read(self, ids: np.ndarray, start: int, symbols: np.ndarray) -> None:
        """Put the symbols of a block, ids[start:], into their cells. TokenDataError with the first wrong position."""
        block = ids[start : start + len(self.ids)]
        if len(block) == len(self.ids):
            values = block[self.positions] - self.offsets
            # as unsigned numbers, those below zero are large too
            if not (values.view(np.uint64) >= self.limits).any() and np.array_equal(block[self.fixed], self.marks):
                symbols[self.cells] = values
                return
        raise self.error(ids, start)

    @cached_property
    def limits(self) -> np.ndarray:
        """sizes, to compare with unsigned numbers."""
        return self.sizes.astype(np.uint64)

    @cached_property
    def fixed(self) -> np.ndarray:
        """Positions where something fixed stands."""
        return np.flatnonzero(self.ids != CODE)

    @cached_property
    def marks(self) -> np.ndarray:
        """What stands there."""
        return self.ids[self.fixed]

    def error(self, ids: np.ndarray, start: int) -> TokenDataError:
        """What is wrong with a block, and where first."""
        block = ids[start : start + len(self.ids)]
        expected = self.ids[: len(block)]
        wrong = (expected != CODE) & (block != expected)
        inside = self.positions < len(block)
        values = block[self.positions[inside]] - self.offsets[inside]
        outside = (values < 0) | (values >= self.sizes[inside])
        if wrong.any() or outside.any():
            first = min([*np.flatnonzero(wrong)[:1], *self.positions[inside][outside][:1]])
            return TokenDataError(f"position {start + int(first)}", f"id {block[first]} cannot stand here")
        return cut(ids)


def cut(ids: np.ndarray) -> TokenDataError:
    """The error for ids that end inside of something."""
    return TokenDataError(f"position {len(ids)}", "the ids end in the middle of a document")


def digits(number: int, count: int) -> list[int]:
    """To the base 256, the highest first."""
    return [number >> 8 * place & 255 for place in reversed(range(count))]


def header(vocabulary: Vocabulary, stream: Stream, numbers: Numbers) -> np.ndarray:
    """begin, then every size in as many digits as its greatest needs."""
    first = vocabulary.blocks["number"].offset
    found = [vocabulary.control[f"begin_{stream.name}"]]
    for number, most in zip(numbers, stream.largest, strict=True):
        found += [first + digit for digit in digits(number, digits_of(most))]
    return np.array(found, np.int64)


def header_length(stream: Stream) -> int:
    """How many ids header gives."""
    return 1 + sum(digits_of(most) for most in stream.largest)


def line_of(stream: Stream, places: Geometry) -> np.ndarray:
    """int64 [n]: the cells in the order of the stream's pattern."""
    return stream.pattern.layout(places.places(), [row.level for row in stream.rows]).line()


def form(vocabulary: Vocabulary, stream: Stream, numbers: Numbers) -> Form:
    """Of a whole block."""
    places = geometry(stream, stream.grid_sizes(numbers))
    return framed(vocabulary, stream, places, line_of(stream, places), header(vocabulary, stream, numbers))


def framed(vocabulary: Vocabulary, stream: Stream, places: Geometry, cells: np.ndarray, begin: np.ndarray) -> Form:
    """The form of some cells between begin and the stream's end, with its markers."""
    control, n = vocabulary.control, len(cells)
    starts, ends = np.zeros(n, np.int64), np.zeros(n, np.int64)
    if n and stream.frames:
        starts = np.diff(places.moment[cells], prepend=-1) != 0
    if n and stream.row_ends:
        line = places.line[cells]
        if stream.pattern.kind == "coarse_first":
            line = line + places.row[cells] * (int(places.line.max()) + 1)
        ends = np.diff(line, append=-1) != 0
    stamped = 1 + TICK_DIGITS if stream.time_stamps else 0
    positions = len(begin) + np.cumsum(1 + starts * (1 + stamped) + ends) - 1 - ends
    length = (int(positions[-1] + ends[-1]) + 1 if n else len(begin)) + 1
    ids = np.full(length, CODE, np.int64)
    ids[: len(begin)] = begin
    ids[-1] = control[f"end_{stream.name}"]
    ids[positions[ends > 0] + 1] = control["row_end"]
    frames = positions[starts > 0] - 1
    ids[frames] = control["frame"]
    if stamped:
        assert stream.rate is not None, "the stream has checked it"
        ticks = places.ticks(stream.rate, vocabulary.tick)[places.moment[cells[starts > 0]]]
        put_times(vocabulary, ids, frames - stamped, ticks)
    row = places.row[cells]
    offsets, sizes = vocabulary.row_offsets(stream), np.array([r.size for r in stream.rows], np.int64)
    return Form(ids=ids, positions=positions, cells=cells, offsets=offsets[row], sizes=sizes[row])


def put_times(vocabulary: Vocabulary, ids: np.ndarray, at: np.ndarray, ticks: np.ndarray) -> None:
    """Write time markers, 1 + TICK_DIGITS ids each, to the positions. ValueError for a time that does not fit."""
    if len(ticks) and int(ticks.max()) >= NUMBER_SIZE**TICK_DIGITS:
        raise ValueError(f"{ticks.max()} ticks of {vocabulary.tick} s are more than {TICK_DIGITS} digits say")
    ids[at] = vocabulary.control["time"]
    for place in range(TICK_DIGITS):
        digit = ticks >> 8 * (TICK_DIGITS - 1 - place) & 255
        ids[at + 1 + place] = vocabulary.blocks["number"].offset + digit
