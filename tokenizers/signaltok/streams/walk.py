"""The grammar as a coroutine: it yields the ids that may follow, is sent the one that does, and goes on."""

from collections.abc import Generator, Mapping

import numpy as np

from signaltok.streams.forms import Forms, cells_of
from signaltok.streams.interleave import chunks, in_time
from signaltok.streams.pairs import Pairs
from signaltok.streams.run_length import RunLength
from signaltok.streams.stream import Numbers, Stream, digits_of
from signaltok.streams.template import CODE, Form, header_length
from signaltok.streams.vocabulary import TICK_DIGITS

Ranges = list[tuple[int, int]]
Walk = Generator[Ranges, int, None]


class Walker:
    """The rules of one vocabulary. sizes: of streams by name, where only these may be sampled."""

    def __init__(self, forms: Forms, sizes: Mapping[str, Numbers]) -> None:
        self.forms, self.vocabulary, self.sizes = forms, forms.vocabulary, sizes
        self.control, self.blocks = forms.vocabulary.control, forms.vocabulary.blocks
        self.streams = {self.control[f"begin_{stream.name}"]: stream for stream in self.vocabulary.streams}

    def one(self, name: str) -> Ranges:
        """A control id."""
        return [(self.control[name], self.control[name] + 1)]

    def documents(self) -> Walk:
        """One document after the other, without end."""
        heads = [*self.one("begin_text"), *self.one("begin_mix"), *((head, head + 1) for head in self.streams)]
        while True:
            yield self.one("bos")
            while (head := (yield [*heads, *self.one("eos")])) != self.control["eos"]:
                if head == self.control["begin_text"]:
                    yield from self.text()
                elif head == self.control["begin_mix"]:
                    yield from self.mix()
                else:
                    yield from self.block(self.streams[head])

    def text(self) -> Walk:
        """What follows begin_text."""
        block = self.blocks["text"]
        may = [(block.offset, block.offset + block.size), *self.one("end_text")]
        while (yield may) != self.control["end_text"]:
            pass

    def number(self, low: int, high: int, digits: int) -> Generator[Ranges, int, int]:
        """A number from low to high."""
        first, value = self.blocks["number"].offset, 0
        for place in reversed(range(digits)):
            least, most = (min(max((end >> 8 * place) - value * 256, 0), 255) for end in (low, high))
            value = value * 256 + (yield [(first + least, first + most + 1)]) - first
        return value

    def header(self, stream: Stream) -> Generator[Ranges, int, Numbers]:
        """The sizes behind a begin."""
        fixed, found = self.sizes.get(stream.name), []
        for number, most in enumerate(stream.largest):
            low, high = (0, most) if fixed is None else (fixed[number], fixed[number])
            found.append((yield from self.number(low, high, digits_of(most))))
        return tuple(found)

    def block(self, stream: Stream) -> Walk:
        """What follows the begin of a signal."""
        numbers = yield from self.header(stream)
        if stream.transform is None:
            symbols = np.zeros(cells_of(stream, numbers), np.int64)
            yield from self.codes(self.forms.form(stream, numbers), header_length(stream), stream, numbers, symbols)
        elif isinstance(stream.transform, RunLength):
            yield from self.runs(stream, stream.transform, cells_of(stream, numbers))
        else:
            yield from self.pairs(stream, stream.transform, numbers)

    def codes(self, form: Form, start: int, stream: Stream, numbers: Numbers, symbols: np.ndarray) -> Walk:
        """A form from `start` on. symbols: of all cells, those that stood before included."""
        code = 0
        for fixed in form.ids[start:].tolist():
            if fixed != CODE:
                yield [(fixed, fixed + 1)]
                continue
            cell, offset, size = int(form.cells[code]), int(form.offsets[code]), int(form.sizes[code])
            if len(stream.rows) > len(stream.codebook_sizes):
                size = digit_limit(stream, numbers, symbols, cell, size)
            symbols[cell] = (yield [(offset, offset + size)]) - offset
            code += 1

    def runs(self, stream: Stream, transform: RunLength, left: int) -> Walk:
        """Codes and durations, until `left` codes are there."""
        first, width = self.forms.symbol_block(stream)
        before = None  # the code that may not follow, because it would be one run with the last
        while left:
            may = [(first, first + width)] if before is None else [(first, before), (before + 1, first + width)]
            unit = yield [(low, high) for low, high in may if low < high]
            most = min(transform.longest, left)
            least = most if width == 1 else 1  # a single code leaves no other to go on with
            duration = (yield [(first + width + least - 1, first + width + most)]) - first - width + 1
            before = None if duration == transform.longest else unit
            left -= duration
        yield self.one(f"end_{stream.name}")

    def pairs(self, stream: Stream, transform: Pairs, numbers: Numbers) -> Walk:
        """Ids whose symbols are of the rows that come next."""
        first, width = self.forms.symbol_block(stream)
        line, rows = self.forms.line_and_rows(stream, numbers)
        ends = np.cumsum([row.size for row in stream.rows])
        owners = [np.searchsorted(ends, e, side="right") for e in (np.arange(width), *transform.expansions)]
        coming, done = rows[line], 0
        while done < len(coming):
            fits = [
                done + len(own) <= len(coming) and np.array_equal(own, coming[done : done + len(own)])
                for own in owners[1:]
            ]
            number = (yield ranges_of(np.concatenate([owners[0] == coming[done], np.array(fits, bool)]), first)) - first
            done += 1 if number < width else len(owners[1 + number - width])
        yield self.one(f"end_{stream.name}")

    def mix(self) -> Walk:
        """What follows begin_mix."""
        streams = [head for head, stream in self.streams.items() if in_time(stream)]
        parts: list[tuple[Stream, Numbers]] = []
        coming = []
        while True:
            ends = [] if coming else self.one("end_mix")
            head = yield [*((head, head + 1) for head in streams), *self.one("time"), *ends]
            if head not in streams:
                break
            streams = streams[streams.index(head) + 1 :]
            numbers = yield from self.header(self.streams[head])
            parts.append((self.streams[head], numbers))
            coming = list(reversed(chunks(self.vocabulary, tuple(parts))))
        symbols = [np.zeros(cells_of(stream, numbers), np.int64) for stream, numbers in parts]
        earliest = 0
        while head != self.control["end_mix"]:
            latest = coming[-1].tick if coming else 256**TICK_DIGITS - 1
            earliest = yield from self.number(earliest, latest, TICK_DIGITS)
            if coming and earliest == latest:
                for number, piece in coming.pop().pieces:
                    yield from self.codes(piece, 0, *parts[number], symbols[number])
            else:
                yield self.one("begin_text")
                yield from self.text()
            head = yield [*self.one("time"), *([] if coming else self.one("end_mix"))]


def digit_limit(stream: Stream, numbers: Numbers, symbols: np.ndarray, cell: int, size: int) -> int:
    """How many values a digit may have after the higher ones of its code, which stand before it in every pattern."""
    grids = stream.grid_sizes(numbers)
    counts = [int(np.prod(grids[row.level])) for row in stream.rows]
    row = int(np.searchsorted(np.cumsum(counts), cell, side="right"))
    level, above, own = stream.rows[row].level, 0, cell
    for higher in range(row - 1, -1, -1):
        if stream.rows[higher].level != level:
            break
        own -= counts[higher]
        above += int(symbols[own]) * stream.rows[higher].weight
    return min(size, (stream.codebook_sizes[level] - 1 - above) // stream.rows[row].weight + 1)


def ranges_of(mask: np.ndarray, first: int) -> Ranges:
    """The ids from first on where the mask says so."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))) + first
    return list(zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True))
