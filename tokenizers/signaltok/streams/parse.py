"""From ids to documents. Every error is a TokenDataError with the position."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from signaltok.streams.documents import Document, Mix, Segment, Signal, Text, Word
from signaltok.streams.errors import TokenDataError
from signaltok.streams.forms import Forms, cells_of
from signaltok.streams.interleave import check_mix, chunks
from signaltok.streams.scan import at, expect, run_end
from signaltok.streams.stream import Numbers, Stream, digits_of
from signaltok.streams.symbols import signal_of
from signaltok.streams.template import cut
from signaltok.streams.vocabulary import TICK_DIGITS


class Parser:
    """Reads documents out of one array of ids."""

    def __init__(self, forms: Forms, ids: np.ndarray) -> None:
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ValueError(f"ids are integers in one row, got {ids.dtype} of shape {ids.shape}")
        self.forms = forms
        self.ids = ids.astype(np.int64) if ids.dtype == np.uint64 else ids  # which numpy would subtract as floats
        self.control, self.blocks = forms.vocabulary.control, forms.vocabulary.blocks
        self.streams = {self.control[f"begin_{stream.name}"]: stream for stream in forms.vocabulary.streams}

    def document(self, position: int) -> tuple[Document, int]:
        """The document at a position, and the position behind it."""
        position = expect(self.ids, position, self.control["bos"])
        segments: list[Segment] = []
        while (head := at(self.ids, position)) != self.control["eos"]:
            segment: Segment
            if head == self.control["begin_text"]:
                segment, position = self.text(position)
            elif head == self.control["begin_mix"]:
                segment, position = self.mix(position)
            elif head in self.streams:
                segment, position = self.signal(position, self.streams[head])
            else:
                raise TokenDataError(f"position {position}", f"id {head} begins no segment")
            segments.append(segment)
        return segments, position + 1

    def text(self, position: int) -> tuple[Text, int]:
        """A text segment."""
        block = self.blocks["text"]
        start = expect(self.ids, position, self.control["begin_text"])
        end = run_end(self.ids, start, block.offset, block.offset + block.size)
        after = expect(self.ids, end, self.control["end_text"])
        return Text(self.ids[start:end].astype(np.int64) - block.offset), after

    def number(self, position: int, digits: int) -> int:
        """So many digits to the base 256."""
        block, value = self.blocks["number"], 0
        for place in range(position, position + digits):
            digit = at(self.ids, place) - block.offset
            if not 0 <= digit < block.size:
                raise TokenDataError(f"position {place}", f"id {self.ids[place]} is no digit")
            value = value * 256 + digit
        return value

    def header(self, position: int, stream: Stream) -> tuple[Numbers, int]:
        """The sizes behind a begin. A block that is longer than what is left of the ids is an error here already."""
        position += 1
        found = []
        for most in stream.largest:
            value = self.number(position, digits_of(most))
            if value > most:
                raise TokenDataError(f"position {position}", f"a size of {value}; {stream.name!r} has up to {most}")
            position += digits_of(most)
            found.append(value)
        if stream.transform is None and cells_of(stream, tuple(found)) > len(self.ids) - position:
            raise cut(self.ids)
        return tuple(found), position

    def signal(self, position: int, stream: Stream) -> tuple[Signal, int]:
        """The block of one signal."""
        numbers, after = self.header(position, stream)
        if stream.transform is None:
            form = self.forms.form(stream, numbers)
            symbols = np.empty(len(form.cells), np.int64)
            form.read(self.ids, position, symbols)
            end = position + len(form.ids)
        else:
            symbols, end = self.transformed(after, stream, numbers)
        with placed(position):
            return signal_of(stream, numbers, symbols), end

    def transformed(self, start: int, stream: Stream, numbers: Numbers) -> tuple[np.ndarray, int]:
        """The symbols of a block whose line is transformed."""
        assert stream.transform is not None, "signal() has looked"
        first, width = self.forms.symbol_block(stream)
        lengths = stream.transform.lengths(width)
        end = run_end(self.ids, start, first, first + len(lengths))
        after = expect(self.ids, end, self.control[f"end_{stream.name}"])
        local = self.ids[start:end].astype(np.int64) - first
        if (found := int(lengths[local].sum())) != (wanted := cells_of(stream, numbers)):
            raise TokenDataError(f"position {end}", f"{found} codes in a block of {wanted}")
        line, rows = self.forms.line_and_rows(stream, numbers)
        symbols = np.empty(len(line), np.int64)
        with placed(start):
            symbols[line] = stream.transform.backward(local, width)
        symbols -= self.forms.vocabulary.row_offsets(stream)[rows] - first
        sizes = np.array([row.size for row in stream.rows], np.int64)[rows]
        if ((symbols < 0) | (symbols >= sizes)).any():
            raise TokenDataError(f"position {start}", "codes of another level than their place has")
        return symbols, after

    def mix(self, position: int) -> tuple[Mix, int]:
        """Signals and words by time."""
        start, position = position, position + 1
        parts: list[tuple[Stream, Numbers]] = []
        while (head := at(self.ids, position)) in self.streams:
            numbers, position = self.header(position, self.streams[head])
            parts.append((self.streams[head], numbers))
        with placed(start):
            check_mix(self.forms.vocabulary, Mix(tuple(Signal(stream.name, (), ()) for stream, _ in parts), ()))
            coming = list(reversed(chunks(self.forms.vocabulary, tuple(parts))))
        symbols = [np.empty(cells_of(stream, numbers), np.int64) for stream, numbers in parts]
        words: list[Word] = []
        earliest = 0
        while at(self.ids, position) != self.control["end_mix"]:
            first = position
            tick = self.number(expect(self.ids, position, self.control["time"]), TICK_DIGITS)
            position += 1 + TICK_DIGITS
            if at(self.ids, position) == self.control["begin_text"]:
                if tick < earliest or (coming and tick >= coming[-1].tick):
                    raise TokenDataError(f"position {first}", f"a word at tick {tick} does not stand in its order")
                text, position = self.text(position)
                words.append(Word(tick, text))
            elif coming and tick == coming[-1].tick:
                for number, piece in coming.pop().pieces:
                    piece.read(self.ids, position, symbols[number])
                    position += len(piece.ids)
            else:
                raise TokenDataError(f"position {first}", f"no piece begins at tick {tick}")
            earliest = tick
        if coming:
            raise TokenDataError(f"position {position}", f"a mix ends before its piece at tick {coming[-1].tick}")
        with placed(start):
            signals = [signal_of(stream, numbers, own) for (stream, numbers), own in zip(parts, symbols, strict=True)]
        return Mix(tuple(signals), tuple(words)), position + 1


@contextmanager
def placed(position: int) -> Iterator[None]:
    """Give a ValueError from inside its position."""
    try:
        yield
    except TokenDataError:
        raise
    except ValueError as error:
        raise TokenDataError(f"position {position}", str(error)) from None
